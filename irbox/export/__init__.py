"""Networks as files that other programs run: ONNX, torch's own, and a photo editor's."""
