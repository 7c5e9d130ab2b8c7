"""The settings of the sites that tests run: those of every site, but that a password costs nothing."""

from omr_project.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one takes 0.2 s for every login
