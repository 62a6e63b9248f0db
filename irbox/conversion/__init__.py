"""Released weights under the names of ours, for the package and for plug-ins."""
