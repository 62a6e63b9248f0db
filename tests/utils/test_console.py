"""Warnings that a refusal makes needless."""

import logging

import pytest
from mmengine.logging import MMLogger, print_log

from irbox.utils.console import warnings_held


@pytest.fixture
def said():
    records = []
    logger = MMLogger.get_current_instance()
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def warn():
    print_log('found', logger='current')
    print_log('fewer', logger='current', level=logging.WARNING)


def test_warnings_are_said_when_all_went_well(said):
    with warnings_held():
        warn()
        assert said == ['found']
    assert said == ['found', 'fewer']
    warn()
    assert said[2:] == ['found', 'fewer']


def test_an_error_says_its_own(said):
    with pytest.raises(ValueError, match='refused'), warnings_held():
        warn()
        raise ValueError('refused')
    assert said == ['found']
    warn()
    assert said == ['found', 'found', 'fewer']
