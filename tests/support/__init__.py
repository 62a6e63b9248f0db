"""What tests share: places, small files in published formats, stand-ins for packages."""
