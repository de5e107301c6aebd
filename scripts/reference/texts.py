"""Invented texts: a village of a few hundred words, with its stories, sums, dialogues, endings and a German that follows the English word by word."""

from common import rng

NAMES = "Ada Bela Coro Dima Elin Fero Gus Hanna Ivo Jule Kofi Lena".split()
THINGS = {"lantern": "Laterne", "bridge": "Brücke", "kettle": "Kessel", "garden": "Garten", "basket": "Korb", "ladder": "Leiter", "letter": "Brief", "boat": "Boot",
          "mill": "Mühle", "window": "Fenster", "stone": "Stein", "bell": "Glocke", "apple": "Apfel", "drum": "Trommel", "map": "Karte", "café": "Café"}
DOES = {"carries": "trägt", "paints": "malt", "mends": "flickt", "finds": "findet", "sells": "verkauft", "counts": "zählt", "hides": "versteckt", "washes": "wäscht",
        "loves": "liebt", "opens": "öffnet"}
KINDS = {"small": "kleine", "green": "grüne", "old": "alte", "quiet": "leise", "bright": "helle", "heavy": "schwere", "round": "runde", "wet": "nasse"}
PLACES = {"by the river": "am Fluss", "in the morning": "am Morgen", "near the hill": "am Hügel", "after the rain": "nach dem Regen", "at the market": "auf dem Markt",
          "every day": "jeden Tag"}


class Village:
    def __init__(self, *purpose):
        self.r = rng("village", *purpose)

    def pick(self, words):
        return list(words)[self.r.integers(len(words))]

    def number(self, low, high):
        return int(self.r.integers(low, high))

    def pair(self):
        """The same sentence in English and German."""
        name, does, kind, thing, place = map(self.pick, (NAMES, DOES, KINDS, THINGS, PLACES))
        end = self.pick("...!")
        return "%s %s the %s %s %s%s" % (name, does, kind, thing, place, end), "%s %s die %s %s %s%s" % (name, DOES[does], KINDS[kind], THINGS[thing], PLACES[place], end)

    def sentence(self):
        return self.pair()[0]

    def story(self, n):
        return " ".join(self.sentence() for _ in range(n))

    def sum(self):
        """A question, its worked answer, and the number."""
        name, thing, a, b = self.pick(NAMES), self.pick(THINGS), self.number(2, 60), self.number(2, 60)
        if self.r.random() < 0.5:
            return "%s has %d %ss and finds %d more. How many are there?" % (name, a, thing, b), "There are %d+%d = <<%d+%d=%d>>%d.\n#### %d" % (a, b, a, b, a + b, a + b, a + b), a + b
        c = a * b * self.pick((1, 100))
        return ("%s fills %d baskets with %d %ss each. How many %ss is that?" % (name, a, c // a, thing, thing),
                "It is %d*%d = <<%d*%d=%d>>%s.\n#### %s" % (a, c // a, a, c // a, c // a * a, format(c // a * a, ","), format(c // a * a, ",")), c // a * a)

    def dialogue(self):
        """A talk between two, and three summaries of it."""
        thing, kind, place = self.pick(THINGS), self.pick(KINDS), self.pick(PLACES)
        lines = ["#Person1#: Where is the %s %s?" % (kind, thing), "#Person2#: I saw it %s." % place, "#Person1#: %s" % self.sentence(), "#Person2#: Thank you, that's well-known."]
        return "\n".join(lines), ["#Person1# looks for the %s %s. #Person2# saw it %s." % (kind, thing, place), "#Person2# tells #Person1# where the %s is." % thing,
                                  "They talk about a %s %s." % (kind, thing)]

    def corpus(self, n):
        """What the tokenizers are trained on."""
        out = []
        for _ in range(n):
            en, de = self.pair()
            question, answer, _ = self.sum()
            talk, summaries = self.dialogue()
            out += [en + "\n", "German phrase: %s\nEnglish phrase: %s\n" % (de, en), "Question: %s\nAnswer: %s\n" % (question, answer),
                    "Dialogue:\n%s\nSummary: %s\n" % (talk, summaries[0]), self.story(3) + "\n"]
        return out
