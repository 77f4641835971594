"""Exports pretrained image encoders to ONNX; the one part of the embedder that needs torch."""
