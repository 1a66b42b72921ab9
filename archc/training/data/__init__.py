"""Datasets by name, as images with labels: in memory where they are small, read from files where they are not."""

from archc.training.data.catalogue import NAMES, load_data
from archc.training.data.division import Division, read_division
from archc.training.data.given import as_data
from archc.training.data.held_out import load_test
from archc.training.data.images import Data, FolderImages, Images

__all__ = ["NAMES", "Data", "Division", "FolderImages", "Images", "as_data", "load_data", "load_test", "read_division"]
