"""`python app.py` migrates and serves in the role that is set; `flask` and WSGI servers find `app` here."""

if __name__ == "__main__":
    from portal.serve import main

    main()
else:
    import sys

    from portal import create_app
    from portal.errors import SettingsError

    try:
        app = create_app()
    except SettingsError as error:
        for fault in error.faults:
            print(f"sendero: {fault}", file=sys.stderr)
        print("sendero: beside a running sandbox, set SANDBOX=1 to use its settings.", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(
            f"sendero: {error.filename} cannot be used ({error.strerror}): check its owner and mode.", file=sys.stderr
        )
        sys.exit(2)
