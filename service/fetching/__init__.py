"""Pictures by address: https, from hosts whose every address is public, within bounds of bytes and time."""
