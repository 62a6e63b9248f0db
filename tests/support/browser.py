"""Headless Chromium, as the system's packages bring it."""

import json
import shutil

import pytest

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
DRIVER = shutil.which('chromedriver')


def open_chromium(downloads):
    """Start one that saves into a folder and notes each of its requests; without one, skip."""
    webdriver = pytest.importorskip('selenium.webdriver')
    from selenium.webdriver.chrome.service import Service

    if not CHROMIUM or not DRIVER:
        pytest.skip('chromium and chromedriver are not installed (make browser installs them)')
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        '--headless=new',
        '--no-sandbox',
        '--disable-dev-shm-usage',
        '--disable-background-networking',
        '--window-size=1280,1100',
    ):
        options.add_argument(argument)
    options.add_experimental_option('prefs', {'download.default_directory': str(downloads)})
    options.set_capability('goog:loggingPrefs', {'performance': 'ALL'})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


def requested(browser):
    """Give the addresses that it asked for since this was asked last."""
    found = set()
    for entry in browser.get_log('performance'):
        message = json.loads(entry['message'])['message']
        if message['method'] == 'Network.requestWillBeSent':
            found.add(message['params']['request']['url'])
    return found
