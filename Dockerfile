# irbox's page on the CPU; docs/page.md says how to build and run it.
FROM python:3.11-slim

WORKDIR /irbox
COPY setup.py pyproject.toml README.md LICENSE MANIFEST.in constraints.txt ./
COPY irbox irbox
COPY configs configs
COPY plugins plugins

# PyTorch for the CPU comes first, from the index that PyTorch names for it: the usual wheels bring
# 5 GB of CUDA libraries along.
ARG TORCH_INDEX
RUN grep -v -e '^torch' -e '^triton' -e '^nvidia' -e '^cuda' constraints.txt > /tmp/constraints.txt \
    && pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} 'torch>=2.10' torchvision \
    && pip install --no-cache-dir -c /tmp/constraints.txt '.[ui,analysis]' \
    && rm -rf /irbox/* /tmp/constraints.txt

RUN useradd --create-home irbox
USER irbox
WORKDIR /home/irbox

EXPOSE 7860
HEALTHCHECK --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/health')"]
# Inside of a container all addresses are its own; what is published decides who can see the page.
ENTRYPOINT ["irbox", "ui", "--host", "0.0.0.0"]
