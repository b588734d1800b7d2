"""The script that ``transport app`` serves."""

from transport.app.shell import main

main()
