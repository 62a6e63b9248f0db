"""The page of ``irbox ui``, and its plain route: pictures in, restored pictures out."""
