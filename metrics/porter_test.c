#include "metrics/porter.h"

#include "core/test.h"

/* Made with nltk 3.10.4: PorterStemmer().stem(word). There is a word for each rule, and every
 * irregular form. */
static const struct {
    const char *word, *stem;
} cases[] = {
    { "abbey", "abbey" },
    { "ace", "ace" },
    { "additionally", "addit" },
    { "sky", "sky" },
    { "skies", "sky" },
    { "dying", "die" },
    { "lying", "lie" },
    { "tying", "tie" },
    { "news", "news" },
    { "innings", "inning" },
    { "inning", "inning" },
    { "outings", "outing" },
    { "outing", "outing" },
    { "cannings", "canning" },
    { "canning", "canning" },
    { "howe", "howe" },
    { "proceed", "proceed" },
    { "exceed", "exceed" },
    { "succeed", "succeed" },
    { "exceeds", "exce" },
    { "ties", "tie" },
    { "dies", "die" },
    { "flies", "fli" },
    { "died", "die" },
    { "spied", "spi" },
    { "agreed", "agre" },
    { "feed", "feed" },
    { "plastered", "plaster" },
    { "bled", "bled" },
    { "motoring", "motor" },
    { "sing", "sing" },
    { "conflated", "conflat" },
    { "troubled", "troubl" },
    { "sized", "size" },
    { "hopping", "hop" },
    { "falling", "fall" },
    { "hissing", "hiss" },
    { "fizzed", "fizz" },
    { "failing", "fail" },
    { "filing", "file" },
    { "happy", "happi" },
    { "enjoy", "enjoy" },
    { "enjoyment", "enjoy" },
    { "fly", "fli" },
    { "spy", "spi" },
    { "by", "by" },
    { "y", "y" },
    { "relational", "relat" },
    { "conditional", "condit" },
    { "rational", "ration" },
    { "valenci", "valenc" },
    { "hesitanci", "hesit" },
    { "digitizer", "digit" },
    { "conformabli", "conform" },
    { "radically", "radic" },
    { "differently", "differ" },
    { "vileli", "vile" },
    { "analogously", "analog" },
    { "vietnamization", "vietnam" },
    { "predication", "predic" },
    { "operator", "oper" },
    { "feudalism", "feudal" },
    { "decisiveness", "decis" },
    { "hopefulness", "hope" },
    { "callousness", "callous" },
    { "formaliti", "formal" },
    { "sensitiviti", "sensit" },
    { "sensibiliti", "sensibl" },
    { "hopefully", "hope" },
    { "geology", "geolog" },
    { "theology", "theolog" },
    { "archaeology", "archaeolog" },
    { "apology", "apolog" },
    { "fully", "fulli" },
    { "triplicate", "triplic" },
    { "formative", "form" },
    { "formalize", "formal" },
    { "electriciti", "electr" },
    { "electrical", "electr" },
    { "hopeful", "hope" },
    { "goodness", "good" },
    { "revival", "reviv" },
    { "allowance", "allow" },
    { "inference", "infer" },
    { "airliner", "airlin" },
    { "gyroscopic", "gyroscop" },
    { "adjustable", "adjust" },
    { "defensible", "defens" },
    { "irritant", "irrit" },
    { "replacement", "replac" },
    { "adjustment", "adjust" },
    { "dependent", "depend" },
    { "adoption", "adopt" },
    { "homologou", "homolog" },
    { "communism", "commun" },
    { "activate", "activ" },
    { "angulariti", "angular" },
    { "homologous", "homolog" },
    { "effective", "effect" },
    { "bowdlerize", "bowdler" },
    { "probate", "probat" },
    { "rate", "rate" },
    { "cease", "ceas" },
    { "controll", "control" },
    { "roll", "roll" },
    { "yyyy", "yyyi" },
    { "syzygy", "syzygi" },
    { "person1", "person1" },
    { "add", "add" },
    { "ion", "ion" },
    { "ied", "i" },
    { "ing", "ing" },
    { "eed", "eed" },
    { "1980s", "1980" },
    { "owed", "owe" },
    { "using", "use" },
    { "used", "use" },
    { "being", "be" },
    { "was", "wa" },
    { "universally", "univers" },
};

static void stems_as_nltk_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char   word[64];
        size_t n = strlen(cases[i].word);
        memcpy(word, cases[i].word, n);
        n = porter_stem(word, n);
        if (n != strlen(cases[i].stem) || memcmp(word, cases[i].stem, n))
            fail_msg("%s: got %.*s, wanted %s", cases[i].word, (int)n, word, cases[i].stem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(stems_as_nltk_does) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
