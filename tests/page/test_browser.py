"""The page in a real browser: headless Chromium."""

import base64
import time

import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.browser]

pytest.importorskip('selenium')

from selenium.common.exceptions import (  # noqa: E402
    ElementClickInterceptedException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402

from support.browser import open_chromium, requested  # noqa: E402

WAIT = 60


@pytest.fixture(scope='module')
def open_browser(server, tmp_path_factory):
    opened = []

    def start():
        folder = tmp_path_factory.mktemp('downloads')
        browser = open_chromium(folder)
        opened.append(browser)
        return Visit(browser, server.url, folder)

    yield start
    for browser in opened:
        browser.quit()


@pytest.fixture(scope='module')
def visit(open_browser):
    return open_browser()


class Visit:
    """Someone before a browser."""

    def __init__(self, browser, url, folder):
        self.browser, self.url, self.folder = browser, url, folder

    def open(self):
        self.browser.get(self.url)
        self.find('#files input[type=file]')
        return self

    def find(self, selector, condition=lambda one: True):
        found = []

        def there():
            try:
                found[:] = [
                    one
                    for one in self.browser.find_elements(By.CSS_SELECTOR, selector)
                    if condition(one)
                ]
            except StaleElementReferenceException:
                return False
            return bool(found)

        until(there, selector)
        return found[0]

    def click(self, selector, condition=lambda one: True):
        """Click what is there; again, where the page has just moved it."""

        def clicked():
            try:
                self.find(selector, condition).click()
            except (ElementClickInterceptedException, StaleElementReferenceException):
                return False
            return True

        until(clicked, f'a click on {selector}')

    def upload(self, *paths):
        self.find('#files input[type=file]').send_keys('\n'.join(map(str, paths)))

    def looked(self, text):
        """Wait until the picture is shown."""
        self.find('#status', lambda one: text in one.text)

    def restore(self):
        self.click('#restore')

    def finished(self, name):
        return self.find('#download', lambda one: name in one.text and one.is_displayed())

    def download(self, name):
        self.click('#download', lambda one: name in one.text and one.is_displayed())
        path = self.folder / name
        until(path.exists, f'download of {name}')
        content = path.read_bytes()
        path.unlink()
        return content

    def message(self, text):
        """Wait for a message that pops up."""
        return self.find('.toast-body, [data-testid=toast-body]', lambda one: text in one.text)

    def choose(self, label, value):
        self.click(f'input[aria-label="{label}"]')
        self.click('ul[role=listbox] li', lambda one: one.text.strip().endswith(value))


def until(condition, what):
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, f'waited in vain for {what}'
        time.sleep(0.1)


def test_upload_restore_and_download(visit, jpeg, by_command):
    visit.open().upload(jpeg)
    visit.looked('120x80 pixels')
    visit.restore()
    assert visit.download('a_restored.jpg') == by_command(jpeg)
    assert 'rain' in visit.find('#beliefs', lambda one: one.is_displayed()).text

    # At full size, before and after; and the slider moves.
    images = [visit.find('#slider img'), visit.find('#slider .fixed, #slider img:last-of-type')]
    for image in images:
        until(lambda image=image: image.get_property('naturalWidth') == 120, 'the view')
    handle = visit.find('#slider .inner, #slider [role=slider], #slider .outer')
    before = handle.location['x']
    ActionChains(visit.browser).drag_and_drop_by_offset(handle, 100, 0).perform()
    until(lambda: handle.location['x'] > before + 50, 'the slider')


def test_nothing_comes_from_another_host(visit):
    asked = requested(visit.browser)
    assert len(asked) > 10
    others = [one for one in asked if not one.startswith((visit.url, 'data:', 'blob:', 'chrome:'))]
    assert not others


def test_files_that_are_none(visit, tmp_path):
    text, broken, huge = tmp_path / 'text.jpg', tmp_path / 'broken.png', tmp_path / 'huge.png'
    text.write_text('This is no picture.')
    Image.new('RGB', (50, 50), 'red').save(broken)
    broken.write_bytes(broken.read_bytes()[:60])
    Image.new('L', (1000, 1000)).save(huge)
    for path, message in (
        (text, 'text.jpg is damaged or no picture'),
        (huge, 'this page takes 0.2'),
        (broken, 'broken.png'),
    ):
        visit.open().upload(path)
        visit.message(message)
        visit.restore()
        visit.message(message)


def test_a_file_of_too_many_bytes(visit, tmp_path):
    path = tmp_path / 'long.png'
    path.write_bytes(bytes(3 * 2**20))
    visit.open().upload(path)
    visit.message('aximum')


def test_several_and_one_is_broken(visit, jpeg, tmp_path):
    text = tmp_path / 'text.jpg'
    other = tmp_path / 'other.png'
    text.write_text('This is no picture.')
    Image.open(jpeg).save(other)
    visit.open().upload(jpeg, other, text)
    # The message comes when all three have been uploaded; a click before finds none.
    visit.message('text.jpg is damaged or no picture')
    visit.restore()
    visit.finished('a_restored.jpg')
    visit.find('#status', lambda one: 'text.jpg' in one.text)
    visit.click('#zip', lambda one: one.is_displayed())
    until((visit.folder / 'restored.zip').exists, 'the zip')


def test_two_visitors_at_once(visit, open_browser, jpeg, tmp_path, by_command):
    """One waits for the other, sees it, and each gets their own."""
    other = tmp_path / 'other.png'
    Image.open(jpeg).transpose(Image.Transpose.ROTATE_180).save(other)
    second = open_browser().open()
    visit.open().upload(jpeg)
    second.upload(other)
    visit.looked('120x80')
    second.looked('120x80')
    visit.choose('Model', 'slow')
    visit.choose('Tiles', '256')
    tiles = visit.find('input[aria-label="Tiles"]')
    tiles.clear()
    tiles.send_keys('16\n')
    visit.restore()
    visit.find('#slider, #status', lambda one: 'a.jpg' in one.text)
    second.restore()
    second.find('#slider, #status', lambda one: '1 before you' in one.text)
    assert second.download('other_restored.png') == by_command(other)
    assert visit.download('a_restored.jpg') == by_command(jpeg, '--tile', '16', model='slow')


def test_a_reload_in_the_middle(visit, server, jpeg, by_command):
    visit.open().upload(jpeg)
    visit.looked('120x80')
    visit.choose('Model', 'slow')
    tiles = visit.find('input[aria-label="Tiles"]')
    tiles.clear()
    tiles.send_keys('16\n')
    visit.restore()
    visit.find('#slider, #status', lambda one: 'a.jpg' in one.text)
    visit.open()
    # The work of the page that is gone ends soon, and the new one works.
    until(lambda: not any(server.desk.turns.lengths().values()), 'the end of what nobody sees')
    visit.upload(jpeg)
    visit.looked('120x80')
    visit.restore()
    assert visit.download('a_restored.jpg') == by_command(jpeg)


def test_cancel(visit, server, jpeg):
    visit.open().upload(jpeg)
    visit.looked('120x80')
    visit.choose('Model', 'slow')
    tiles = visit.find('input[aria-label="Tiles"]')
    tiles.clear()
    tiles.send_keys('16\n')
    visit.restore()
    visit.find('#slider, #status', lambda one: 'a.jpg' in one.text)
    visit.click('#cancel')
    until(lambda: not any(server.desk.turns.lengths().values()), 'the end of what was cancelled')
    visit.message('Cancelled')


def images_of(visit, selector):
    return [
        one.get_attribute('src') for one in visit.browser.find_elements(By.CSS_SELECTOR, selector)
    ]


def test_a_part_before_the_whole(visit, jpeg):
    """A click on the picture, with what is believed of the whole."""
    visit.open().upload(jpeg)
    visit.looked('120x80')
    picture = visit.find('#picture img', lambda one: one.is_displayed())
    ActionChains(visit.browser).move_to_element_with_offset(picture, 5, 5).click().perform()
    visit.looked('A part of 120x80 pixels')
    assert len(images_of(visit, '#slider img')) >= 2
    believed = visit.find('#beliefs', lambda one: one.is_displayed()).text
    assert 'rain' in believed and '100%' not in believed

    # The bars are moved, and the part is done anew.
    visit.click('#wrong button')
    visit.click('#steer input', lambda one: one.is_displayed())
    rain = visit.browser.find_elements(By.CSS_SELECTOR, '#wrong input[type=number]')[1]
    rain.clear()
    rain.send_keys('1\t')
    visit.find('#beliefs', lambda one: '100%' in one.text)
    assert not visit.browser.find_elements(By.CSS_SELECTOR, '.toast-body')


def test_the_bars_are_moved_and_it_is_done_anew(visit, jpeg, by_command):
    visit.open().upload(jpeg)
    visit.looked('120x80')
    visit.click('#wrong button')
    visit.click('#steer input', lambda one: one.is_displayed())
    numbers = visit.browser.find_elements(By.CSS_SELECTOR, '#wrong input[type=number]')
    # Haze, rain and noise; behind them what the other models tell apart.
    for number, value in zip(numbers[:3], ('0', '1', '0'), strict=True):
        number.clear()
        number.send_keys(f'{value}\t')
    visit.restore()
    wanted = by_command(jpeg, '--task', 'haze=0', '--task', 'rain=1', '--task', 'noise=0')
    assert visit.download('a_restored.jpg') == wanted
    assert wanted != by_command(jpeg)


PASTED = """
const bytes = Uint8Array.from(atob(arguments[0]), one => one.charCodeAt(0));
const given = new DataTransfer();
given.items.add(new File([bytes], 'pasted.jpg', {type: 'image/jpeg'}));
document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: given, bubbles: true}));
"""


def test_an_open_page_has_an_event_until_it_is_closed(open_browser, server):
    """Without, a browser that asks for one thing right after another waits for ever, at times."""
    presence = server.desk.presence
    others = presence.sessions
    visitor = open_browser().open()
    until(lambda: presence.sessions - others, 'the event of an open page')
    own = presence.sessions - others
    visitor.browser.get('about:blank')
    until(lambda: not own & presence.sessions, 'the end of it')


def test_a_picture_from_the_clipboard(visit, jpeg, by_command):
    visit.open()
    visit.browser.execute_script(PASTED, base64.b64encode(jpeg.read_bytes()).decode())
    visit.looked('120x80')
    visit.restore()
    assert visit.download('pasted_restored.jpg') == by_command(jpeg)


def test_two_models_side_by_side(visit, jpeg, by_command):
    visit.open().upload(jpeg)
    visit.looked('120x80')
    visit.choose('Beside it', 'slow')
    visit.restore()
    visit.finished('a_restored.jpg')
    visit.find('#pair', lambda one: one.is_displayed() and 'tiny and slow' in one.text)
    visit.click('#other', lambda one: one.is_displayed() and 'slow' in one.text)
    path = visit.folder / 'a_restored.jpg'
    until(path.exists, 'the other file')
    assert path.read_bytes() == by_command(jpeg, model='slow')
    path.unlink()


def test_what_works_where(visit, jpeg):
    """By place and expert, and the gates; a network without either says so."""
    visit.open().upload(jpeg)
    visit.looked('120x80')
    visit.click('#inside button')
    visit.click('#look', lambda one: one.is_displayed())
    visit.message('tiny has neither experts nor gates')
    visit.choose('Model', 'routed')
    visit.click('#look')
    visit.find('#overlay img', lambda one: one.is_displayed())
    shown = images_of(visit, '#overlay img')
    for label, value in (('Expert', 'expert 2'), ('Place', 'attention')):
        visit.choose(label, value)
        until(lambda before=shown: images_of(visit, '#overlay img') != before, f'{label} {value}')
        shown = images_of(visit, '#overlay img')


PHONE = {'width': 390, 'height': 844, 'deviceScaleFactor': 1, 'mobile': True}


def test_on_a_phone(open_browser, jpeg):
    """Nothing is wider than the screen, the button is near the top, the answer comes into view."""
    phone = open_browser()
    phone.browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', PHONE)
    phone.open().upload(jpeg)
    phone.looked('120x80 pixels')
    width = phone.browser.execute_script('return document.documentElement.scrollWidth')
    assert width == PHONE['width']
    button, model = phone.find('#restore'), phone.find('input[aria-label="Model"]')
    assert button.rect['y'] + button.rect['height'] < min(model.rect['y'], PHONE['height'])
    assert button.rect['y'] == phone.find('#cancel').rect['y']
    phone.restore()
    phone.finished('a_restored.jpg')
    top = "return document.querySelector('#slider').getBoundingClientRect().top"
    until(lambda: 0 <= phone.browser.execute_script(top) < PHONE['height'] - 200, 'the answer')
