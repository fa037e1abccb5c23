"""Which database an operator's command works on: the configured one, or the one that `gpt-image up` runs here."""

from dataclasses import replace

from entrypoints.settings import Settings, SettingsInvalid

ADDRESS = "database.url"


def database_of(settings: Settings) -> Settings:
    """The same settings with a database. Raises SettingsInvalid."""
    if settings.database_url:
        return settings
    try:
        url = (settings.data_dir / ADDRESS).read_text().strip()
    except FileNotFoundError:
        url = ""
    except OSError as error:
        raise SettingsInvalid(f"{settings.data_dir / ADDRESS} cannot be read: {error.strerror}") from None
    if not url:
        raise SettingsInvalid("no database: set DATABASE_URL or run `gpt-image up`")
    return replace(settings, database_url=url)
