"""The page of sliders in a real browser."""

import pytest
import torch

from irbox.analysis.slider_page import slider_page
from support.browser import open_chromium, requested


@pytest.mark.slow
@pytest.mark.browser
def test_a_slider_shows_more_of_the_one_or_of_the_other(tmp_path):
    images = {
        'before': torch.zeros(3, 60, 200),
        'after': torch.ones(3, 60, 200),
        'truth': torch.full((3, 60, 200), 0.5),
    }
    page = tmp_path / 'compare.html'
    page.write_text(slider_page([('one', images, {name: name for name in images})], 'numbers'))
    browser = open_chromium(tmp_path)
    try:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        browser.get(page.as_uri())
        pictures = browser.find_elements(By.CSS_SELECTOR, '.pair img')
        assert [one.get_property('naturalWidth') for one in pictures] == [200] * 4
        sliders = browser.find_elements(By.CSS_SELECTOR, '.pair input')
        assert len(sliders) == 2
        after = browser.find_element(By.CSS_SELECTOR, '.pair .after')
        assert after.value_of_css_property('clip-path') == 'inset(0px 0px 0px 50%)'
        sliders[0].send_keys(Keys.ARROW_RIGHT * 10)
        assert after.value_of_css_property('clip-path') == 'inset(0px 0px 0px 60%)'
        # At 60 % of the width: left of it the dark one, right of it the bright one.
        line = sliders[0].rect['width'] * 0.6
        script = 'return getComputedStyle(arguments[0]).left'
        moved = browser.find_element(By.CSS_SELECTOR, '.pair .line')
        assert float(browser.execute_script(script, moved)[:-2]) == pytest.approx(line, abs=1)
        assert all(one.startswith(('file:', 'data:')) for one in requested(browser))
        assert not [one for one in browser.get_log('browser') if one['level'] == 'SEVERE']
    finally:
        browser.quit()
