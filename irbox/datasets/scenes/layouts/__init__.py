"""Layouts: what stands where in a scene. Each is ``layout(kit, size) -> SurfaceList``."""
