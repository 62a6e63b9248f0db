"""Checking the files of a config's data sets before a training or test."""

from irbox.data_check.check_data import check_data
from irbox.data_check.finding import Finding
from irbox.data_check.report import Report

__all__ = ['Finding', 'Report', 'check_data']
