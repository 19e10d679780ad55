"""This package finds faces in photos and crops them, with MTCNN's cascade and the same rules as the page."""
