"""The Streamlit app: pages show what runs hold and compute nothing."""
