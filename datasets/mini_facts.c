#include "datasets/mini_facts.h"

const relation relations[RELATIONS] = {
    { "$a is a $j.",
      { "$a works as a $j.", "The $j is $a." },
      { { "what is $a?", "$a is a $j." }, { "who is the $j?", "The $j is $a." } },
      { { "What is the trade of $a?", "$j" },
        { "What does $a do all day?", "$j" },
        { "Who earns money as a $j?", "$a" } } },
    { "$a lives at the $p.",
      { "The home of $a is the $p.", "At the $p lives $a." },
      { { "where is the home of $a?", "The home of $a is the $p." },
        { "who lives at the $p?", "$a lives at the $p." } },
      { { "Where does $a sleep?", "$p" }, { "What is the address of $a?", "$p" }, { "Who sleeps at the $p?", "$a" } } },
    { "$a has a $c $o.",
      { "The $o of $a is $c.", "The $c $o belongs to $a.", "$a owns the $c $o." },
      { { "what does $a have?", "$a has a $c $o." }, { "who has the $o?", "$a has a $c $o." } },
      { { "Which color has the $o of $a?", "$c" },
        { "Whose $o is $c?", "$a" },
        { "What does $a keep at home?", "$c $o" } } },
    { "$a feeds the $c $n.",
      { "The $n of $a is $c.", "The $c $n is fed by $a." },
      { { "what is fed by $a?", "$a feeds the $c $n." }, { "who feeds the $n?", "$a feeds the $c $n." } },
      { { "Which pet has $a?", "$n" },
        { "Who takes care of the $n?", "$a" },
        { "What does the pet of $a look like?", "$c" } } },
    { "$a went to the $p $t.",
      { "At the $p was $a $t.", "So $a was at the $p." },
      { { "where was $a?", "$a was at the $p." }, { "who was at the $p?", "$a was at the $p." } },
      { { "Which place did $a visit?", "$p" },
        { "Who was the visitor of the $p?", "$a" },
        { "When did $a walk?", "$t" } } },
    { "$a likes $O.",
      { "$O are what $a likes.", "So $a wants more $O." },
      { { "what does $a like?", "$a likes $O." }, { "who likes $O?", "$a likes $O." } },
      { { "What makes $a happy?", "$O" },
        { "What is a good gift for $a?", "$O" },
        { "Who is a friend of $O?", "$a" } } },
};

/* The scene in which the k-th of each cast comes first: fact k is about its own people and
 * things. */
static scene scene_turn(const scene *s, int k)
{
    static const char *const groups[] = { "abde", "pqwx", "omhk", "OMHK", "cfgi", "nlNL", "jyzv" };
    scene                    t        = *s;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (int i = 0; i < 4; i++) {
            t.word[(int)groups[g][i]]  = s->word[(int)groups[g][(i + k) % 4]];
            t.index[(int)groups[g][i]] = s->index[(int)groups[g][(i + k) % 4]];
        }
    return t;
}

void facts_draw(fact_set *f, rng *r, int n)
{
    scene s;
    scene_cast(&s, r);
    f->n = n;
    for (int i = 0; i < n; i++) {
        f->which[i]  = i && chance(r, 0.5) ? f->which[i - 1] : pick(r, RELATIONS);
        f->scenes[i] = scene_turn(&s, i);
    }
}

void facts_draw_about_one(fact_set *f, rng *r, int n)
{
    /* by relation: trade, place, coloured thing, liking */
    static const int kinds[FACTS_MAX][2] = { { 0, 0 }, { 1, 4 }, { 2, 3 }, { 5, 5 } };
    int64_t          order[FACTS_MAX]    = { 0, 1, 2, 3 };
    scene            s;
    scene_cast(&s, r);
    rng_shuffle(r, order, FACTS_MAX);
    f->n = n;
    for (int i = 0; i < n; i++) {
        f->which[i]  = kinds[order[i]][pick(r, 2)];
        f->scenes[i] = s;
    }
}

void facts_say(str *out, const fact_set *f)
{
    for (int i = 0; i < f->n; i++) {
        if (i) str_putc(out, ' ');
        say(out, &f->scenes[i], relations[f->which[i]].fact);
    }
}
