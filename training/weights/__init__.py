"""What is made of finished weights: averages, wider nets, teachers' answers, temperatures."""
