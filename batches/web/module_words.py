"""What the modules of the pages say: static/words.js finds it here in the language of whoever reads."""

import json

from django.utils.translation import gettext, gettext_noop

SENTENCES = (
    gettext_noop("ready"),
    gettext_noop("waits its turn"),
    gettext_noop("uploading"),
    gettext_noop("being checked"),
    gettext_noop("interrupted"),
    gettext_noop("in another window"),
    gettext_noop("uploaded"),
    gettext_noop("paused"),
    gettext_noop("stopped"),
    gettext_noop("refused"),
    gettext_noop("cancelled"),
    gettext_noop("Upload of {name}"),
    gettext_noop("Try now"),
    gettext_noop("Go on"),
    gettext_noop("{done} of {all}"),
    gettext_noop("{time} left"),
    gettext_noop("All is there; the server checks the ZIP."),
    gettext_noop("The batch goes on by itself: this page may be closed."),
    gettext_noop("{sentence}; trying again now."),
    gettext_noop("{sentence}; trying again in {seconds} s."),
    gettext_noop("The file chosen now is another one: it has changed, or is a copy. It will be a new upload."),
    gettext_noop("Upload"),
    gettext_noop("Upload {count} batches"),
    gettext_noop("{percent} % there"),
    gettext_noop("You are signed out: sign in again in another tab, then go on here"),
    gettext_noop("This upload belongs to somebody else"),
    gettext_noop("The batch of this upload was deleted"),
    gettext_noop("This upload was cancelled, or not gone on with for too long, and what had arrived is gone"),
    gettext_noop("The connection is lost"),
    gettext_noop("This upload goes on in another window"),
    gettext_noop("The file was changed or moved, or cannot be read any more: choose it again"),
    gettext_noop("It could not be cancelled: {why}"),
    gettext_noop("{name} is not a ZIP file, or not all of one; give the scanned pages as one ZIP"),
    gettext_noop("Nothing moves any more"),
    gettext_noop("The server answered {status}"),
    gettext_noop("This ZIP was uploaded before, as “{name}”: both stay, so delete the one that you do not want"),
    gettext_noop(
        "This ZIP was uploaded before, as “{name}” and {count} more: all stay, so delete those that you do not want"
    ),
)
"""As they stand in the modules, in English; ``{name}`` is where a module puts a value."""


def module_words() -> str:
    """Return each sentence with what the language of this request says instead, as JSON."""
    return json.dumps({sentence: gettext(sentence) for sentence in SENTENCES}, ensure_ascii=False)
