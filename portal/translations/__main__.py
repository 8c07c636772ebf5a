"""`make words`: finds every sentence of templates and code, and brings the catalogues up to date."""

import sys

from portal.translations.extracting import FOLDER, TEMPLATE, extracted, text_of, untranslated, updated

if __name__ == "__main__":
    found = extracted()
    TEMPLATE.write_bytes(text_of(found))
    names = sys.argv[1:] or [path.parent.parent.name for path in sorted(FOLDER.glob("*/LC_MESSAGES/messages.po"))]
    for name in names:
        path = FOLDER / name / "LC_MESSAGES" / "messages.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = updated(path if path.exists() else None, name, found)
        path.write_bytes(text_of(catalogue))
        print(f"{name}: {len(catalogue)} sentences, {len(untranslated(catalogue))} without a translation")
