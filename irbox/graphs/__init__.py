"""Networks as graphs: traced for images of any size, translated into ONNX, compared with torch."""
