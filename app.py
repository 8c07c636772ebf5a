"""`python app.py` migrates and serves in the role that is set; `flask` and WSGI servers find `app` here."""

if __name__ == "__main__":
    from portal.serve import main

    main()
else:
    from portal import create_app

    app = create_app()
