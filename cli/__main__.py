"""`python -m cli`."""

from cli.application import application
from cli.session import from_any_folder

if __name__ == "__main__":
    from_any_folder()
    application(prog_name="lab")
