"""What the tests of this folder share."""


def folders(name, **options):
    """A source of two folders."""
    return {'input': f'{name}/input', 'target': f'{name}/target'} | options


def kinds(findings):
    return sorted(finding.kind for finding in findings)
