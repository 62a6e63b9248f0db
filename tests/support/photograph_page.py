"""Pictures of the page, wide and as on a phone, of an example that is restored by ``small``.

``PYTHONPATH=tests python -m support.photograph_page WIDE.jpg NARROW.jpg``
"""

import io
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image

from support.browser import open_chromium

SIZES = {'wide': (1300, 1250), 'narrow': (390, 2100)}
WAIT = 300


def photograph_page(url, browser, size):
    """Restore the first example and take the picture."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    # A window is no narrower than 500 pixels; a device may be.
    width, height = size
    device = {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': width < 640}
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', device)
    browser.execute_cdp_cmd('Emulation.setScrollbarsHidden', {'hidden': True})
    browser.get(url)
    wait = WebDriverWait(browser, WAIT)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, '#examples button img'))
    browser.find_element(By.CSS_SELECTOR, '#examples button').click()
    wait.until(lambda b: 'pixels' in b.find_element(By.CSS_SELECTOR, '#status').text)
    browser.find_element(By.CSS_SELECTOR, '#restore').click()
    wait.until(lambda b: '_restored' in b.find_element(By.CSS_SELECTOR, '#download').text)
    browser.execute_script('window.scrollTo(0, 0)')
    time.sleep(3)  # what slides and fades has come to rest
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert('RGB')


def main(paths):
    """Start the page, photograph it in each size, and end it."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    url = f'http://127.0.0.1:{port}'
    command = [str(Path(sys.executable).with_name('irbox')), 'ui', '--model', 'small']
    page = subprocess.Popen([*command, '--device', 'cpu', '--port', str(port)])
    try:
        end = time.monotonic() + WAIT
        while True:
            try:
                urllib.request.urlopen(f'{url}/health').close()
                break
            except OSError:
                if page.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.5)
        with tempfile.TemporaryDirectory() as downloads:
            browser = open_chromium(downloads)
            try:
                for path, size in zip(paths, SIZES.values(), strict=False):
                    photograph_page(url, browser, size).save(path, quality=88)
            finally:
                browser.quit()
    finally:
        page.terminate()
        page.wait()


if __name__ == '__main__':
    main(sys.argv[1:])
