"""Every tree in which the declared sets are known to lie on disks."""

from support.data_trees import TREES as PUBLISHED
from support.databases import TREES as DATABASES
from support.layouts_in_use import LAYOUTS

TREES = [*PUBLISHED, *LAYOUTS, *DATABASES]
