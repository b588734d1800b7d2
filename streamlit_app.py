"""Front door of the app: ``streamlit run streamlit_app.py`` or ``transport app``."""

from transport.app.shell import main

main()
