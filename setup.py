"""Installation: ``pip install -e .`` gives everything that training and testing need."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    """Read the version from the package without importing it."""
    for line in (ROOT / 'irbox' / '__init__.py').read_text(encoding='utf-8').splitlines():
        if line.startswith('__version__'):
            return line.split("'")[1]
    raise RuntimeError('irbox/__init__.py sets no __version__')


setup(
    name='irbox',
    version=version(),
    description='All-in-one image restoration: M2IR, M2Restore and their ablations as parts',
    license='Apache-2.0',
    packages=find_packages(include=['irbox', 'irbox.*']),
    package_data={
        'irbox.datasets': ['sets/*.yaml'],
        'irbox.evaluation': ['published/*.yaml'],
    },
    python_requires='>=3.11',
    install_requires=[
        # Older releases run code from a file through a hole in the reader that `weights_only`
        # trusts (CVE-2026-24747).
        'torch>=2.10',
        'torchvision',
        # The light distribution of mmengine (same modules) and headless OpenCV: plain mmengine asks
        # for an OpenCV that needs a display library, which servers and containers lack. The Runner
        # imports cv2 and, on Python 3.12, distutils (from setuptools).
        'mmengine-lite>=0.10.7,<0.12',
        'opencv-python-headless',
        'setuptools',
        'open_clip_torch',
        'timm',
        'scikit-image',
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
        'analysis': ['matplotlib', 'scikit-learn'],
        # HEIC and JXL pictures, and 16-bit color in TIFF files of LZW and the like.
        'formats': ['pillow-heif', 'pillow-jxl-plugin', 'imagecodecs'],
        # What the systems in plugins/ need beyond irbox.
        'peers': ['einops'],
        'docs': ['mkdocs', 'mkdocstrings[python]'],
        'test': [
            'pytest',
            'pytest-timeout',
            'pytest-xdist',
            'ruff',
            'mypy',
            'types-PyYAML',
            'einops',
            'matplotlib',
            'scikit-learn',
            'tensorboard',
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
