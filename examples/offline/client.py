"""Asks a weather service over https, as it would anywhere."""
import json
import urllib.error
import urllib.request


def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError) as error:
        return str(getattr(error, "reason", error))


for url in ("https://api.weather.example/v1/berlin.json", "https://api.weather.example/v1/paris.json",
            "http://api.weather.example/v1/berlin.json", "https://old.weather.example/", "https://slow.weather.example/"):
    print(url, "->", ask(url))
