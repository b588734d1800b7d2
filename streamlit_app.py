"""The script of the app where Streamlit looks for it; ``transport app`` serves it with the settings of the app, of this computer only."""

from transport.app.shell import main

main()
