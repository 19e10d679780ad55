"""Faces in photos: MTCNN's cascade, alignment and the sampling rule, the same as on the page."""
