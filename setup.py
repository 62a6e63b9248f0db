"""Installation: ``pip install -e .`` gives everything that training and testing need."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def version() -> str:
    """Read the version from the package without importing it."""
    for line in (ROOT / 'irbox' / '__init__.py').read_text(encoding='utf-8').splitlines():
        if line.startswith('__version__'):
            return line.split("'")[1]
    raise RuntimeError('irbox/__init__.py sets no __version__')


class BuildWithConfigs(build_py):
    """Puts the configs and plug-ins at the top of the checkout into the package.

    A wheel then finds them by name (``irbox.config.shipped_configs``); an editable installation
    uses those of the checkout.
    """

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        for folder in ('configs', 'plugins'):
            target = Path(self.build_lib, 'irbox', 'shipped', folder)
            shutil.rmtree(target, ignore_errors=True)
            ignored = shutil.ignore_patterns('__pycache__', '*.pyc')
            shutil.copytree(ROOT / folder, target, ignore=ignored)


setup(
    name='irbox',
    version=version(),
    description='All-in-one image restoration: M2IR, M2Restore and their ablations as parts',
    license='Apache-2.0',
    packages=find_packages(include=['irbox', 'irbox.*']),
    package_data={
        'irbox': ['py.typed', 'weights/*/*'],
        'irbox.datasets': ['sets/*.yaml', 'scenes/*.yaml'],
        'irbox.evaluation': ['published/*.yaml'],
        'irbox.native': ['*.cpp', '*.h'],
        'irbox.restore': ['models.yaml'],
    },
    cmdclass={'build_py': BuildWithConfigs},
    entry_points={'console_scripts': ['irbox=irbox.commands.main:entry_point']},
    python_requires='>=3.11',
    install_requires=[
        # Older releases run code from a file through a hole in the reader that `weights_only`
        # trusts (CVE-2026-24747).
        'torch>=2.10',
        'torchvision',
        'annotated-types',
        # The light distribution of mmengine (same modules) and headless OpenCV: plain mmengine asks
        # for an OpenCV that needs a display library, which servers and containers lack. The Runner
        # imports cv2 and, on Python 3.12, distutils (from setuptools).
        'mmengine-lite>=0.10.7,<0.12',
        'opencv-python-headless',
        'setuptools',
        'open_clip_torch',
        'timm',
        'scikit-image',
        'scipy>=1.15',
        'pyyaml',
        'numpy>=2',
        'pillow',
        'tifffile',
        'safetensors',
        'huggingface_hub',
        'rich',
    ],
    extras_require={
        'cuda': ['mamba-ssm', 'causal-conv1d'],
        'metrics': ['lpips', 'torch-fidelity'],
        'track': ['tensorboard'],
        'analysis': ['matplotlib', 'PyWavelets', 'scikit-learn'],
        # HEIC and JXL pictures, and 16-bit color in TIFF files of LZW and the like.
        'formats': ['pillow-heif', 'pillow-jxl-plugin', 'imagecodecs'],
        # What the systems in plugins/ need beyond irbox.
        'peers': ['einops'],
        # Other people's networks. Never spandrel_extra_arches, whose licences are restrictive.
        'zoo': ['spandrel'],
        # Networks as files for other programs.
        'export': ['onnx', 'onnx-ir', 'onnxscript', 'onnxruntime'],
        'video': ['av'],
        # Scores of images as .parquet.
        'parquet': ['pyarrow'],
        # Data sets in databases, as BasicSR makes them.
        'lmdb': ['lmdb'],
        # Restoring on many machines. Options of 2.60 that have no other name yet go in 2.64.
        'ray': ['ray[data]>=2.50,<2.64', 'fsspec'],
        # What else reads the shards of packed data sets.
        'shards': ['webdataset'],
        # Sweeps as jobs of a cluster, and searches.
        'cluster': ['submitit', 'optuna'],
        'completion': ['shtab'],
        # The page; Gradio brings the web server.
        'ui': ['gradio>=6'],
        'docs': ['mkdocs', 'mkdocstrings[python]'],
        'test': [
            'pytest',
            'pytest-timeout',
            'pytest-xdist',
            'hypothesis',
            'ruff',
            'mypy',
            'types-PyYAML',
            'av',
            'einops',
            'gradio>=6',
            'lmdb',
            'matplotlib',
            'onnx',
            'onnx-ir',
            'onnxruntime',
            'onnxscript',
            'optuna',
            'PyWavelets',
            'pillow-heif',
            'pillow-jxl-plugin',
            'pyarrow',
            'ray[data]<2.64',
            'scikit-learn',
            'selenium',
            'shtab',
            'spandrel',
            'submitit',
            'tensorboard',
            'webdataset',
        ],
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3 :: Only',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
)
