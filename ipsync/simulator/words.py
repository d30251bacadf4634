"""The vocabulary of the seeded world: titles, descriptions, names and places."""

ADJECTIVES = (
    "Quiet", "Golden", "Misty", "Old", "Windy", "Blue", "Narrow", "Bright", "Frozen", "Green", "Hidden", "Silver",
    "Early", "Late", "Broken", "Painted", "Stony", "Empty", "Lively", "Distant", "Crooked", "Gentle", "Wild", "Tall",
    "Amber", "Rainy", "Sunny", "Wooden", "Small", "Great", "Forgotten", "Winding",
)  # fmt: skip
SUBJECTS = (
    "harbor", "bridge", "meadow", "lighthouse", "market", "staircase", "orchard", "chapel", "river", "window", "boat",
    "mill", "garden", "street", "mountain", "tower", "door", "beach", "forest", "café", "station", "field", "roof",
    "fountain", "wall", "path", "barn", "lake", "square", "vineyard", "pier", "valley",
)  # fmt: skip
PLACES = (
    ("Annecy", 45.899, 6.129), ("Brest", 48.390, -4.486), ("Porto", 41.158, -8.629), ("Gent", 51.054, 3.717),
    ("Lübeck", 53.866, 10.687), ("Turku", 60.452, 22.267), ("Galway", 53.271, -9.057), ("Siena", 43.319, 11.331),
    ("Olomouc", 49.594, 17.251), ("Girona", 41.979, 2.821), ("Aarhus", 56.163, 10.204), ("Delft", 52.012, 4.357),
    ("Bergen", 60.391, 5.322), ("Tartu", 58.378, 26.729), ("Kotor", 42.425, 18.771), ("Whitby", 54.486, -0.613),
)  # fmt: skip
COUNTRIES = ("fr", "fr", "pt", "be", "de", "fi", "ie", "it", "cz", "es", "dk", "nl", "no", "ee", "me", "gb")
"""Of the places, in their order."""
SENTENCES = (
    "Taken on an early walk before the shops opened.",
    "The light lasted for a minute only.",
    "Scanned from a slide that was found in a drawer.",
    "We waited an hour for the rain to stop.",
    "One of a series; the others are in the album.",
    "A place I come back to every year.",
    "Nobody else was there that day.",
    "Handheld, no tripod, a little luck.",
)
FIRST_NAMES = (
    "Alma", "Bruno", "Clara", "David", "Elise", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Karin", "Leon", "Marta",
    "Nils", "Olga", "Paul", "Rosa", "Simon", "Tilda", "Victor",
)  # fmt: skip
LAST_NAMES = (
    "Aubert", "Brandt", "Costa", "Dubois", "Eriksen", "Ferrer", "Gruber", "Haas", "Ivanov", "Jansen", "Keller",
    "Lorenz", "Moreau", "Novak", "Olsen", "Petit", "Quint", "Rossi", "Santos", "Weber",
)  # fmt: skip
KEYWORDS = (
    "landscape", "street", "travel", "water", "autumn", "winter", "blackandwhite", "architecture", "nature", "people",
    "night", "macro", "boats", "mountains", "flowers", "animals",
)  # fmt: skip
