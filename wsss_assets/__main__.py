"""`python -m wsss_assets` is `wsss-assets`."""

from wsss_assets.cli import main

if __name__ == "__main__":
    main()
