"""This package works on finished weights: averages, wider nets, teachers' answers, temperatures."""
