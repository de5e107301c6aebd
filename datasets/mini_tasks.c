#include "datasets/mini_tasks.h"

#include <string.h>

#include "datasets/mini_crafts.h"
#include "datasets/mini_facts.h"
#include "datasets/mini_lum.h"

void mini_item_clear(mini_item *x)
{
    for (int i = 0; i < 6; i++) str_clear(&x->text[i]);
    x->number = 0;
}

void mini_item_free(mini_item *x)
{
    for (int i = 0; i < 6; i++) str_free(&x->text[i]);
}

/* context | question | answer; number: the byte of the context where the answer starts */
static void draw_squad(mini_item *x, rng *r)
{
    fact_set f;
    facts_draw_about_one(&f, r, 3);
    facts_say(&x->text[0], &f);
    int             i = pick(r, f.n), n = 0;
    const relation *rel = &relations[f.which[i]];
    while (n < 5 && rel->ask[n].question) n++;
    const query *q = &rel->ask[pick(r, n)];
    say(&x->text[1], &f.scenes[i], q->question);
    say(&x->text[2], &f.scenes[i], q->answer);
    str fact = { 0 };
    say(&fact, &f.scenes[i], rel->fact);
    const char *at = strstr(str_c(&x->text[0]), str_c(&fact));
    x->number      = strstr(at, str_c(&x->text[2])) - str_c(&x->text[0]);
    str_free(&fact);
}

/* dialogue | three summaries | topic */
typedef struct {
    const char *topic, *dialogue, *summary[3];
} talk;
static const talk talks[] = {
    { "looking for a thing",
      "#Person1#: Where is the $c $o?\n#Person2#: It is at the $p.\n#Person1#: I will take it to the $q $t.",
      { "#Person1# moves the $c $o from the $p to the $q.", "#Person1# moves the $c $o to the $q.",
        "#Person1# moves the $o from the $p to the $q $t." } },
    { "a favor",
      "#Person1#: Do you have the $c $o?\n#Person2#: Yes, it is at the $p.\n#Person1#: Please bring it to the $q.\n#Person2#: No, I have no time.",
      { "#Person2# refuses to bring the $c $o to the $q.", "#Person2# refuses to bring the $o.",
        "#Person2# refuses to bring the $c $o from the $p to the $q." } },
    { "a favor",
      "#Person1#: Do you have the $c $o?\n#Person2#: Yes, it is at the $p.\n#Person1#: Please bring it to the $q $t.\n#Person2#: Yes, I will.",
      { "#Person2# agrees to bring the $c $o to the $q $t.", "#Person2# agrees to bring the $o $t.",
        "#Person2# agrees to bring the $c $o from the $p to the $q." } },
    { "trade",
      "#Person1#: How much is the $o?\n#Person2#: It is $1 coins.\n#Person1#: I give you $2 coins.\n#Person2#: Good.",
      { "#Person2# accepts $2 coins for the $o.", "#Person2# accepts $2 coins.",
        "#Person2# accepts $2 coins for the $o, not $1." } },
    { "trade",
      "#Person1#: How much is the $o?\n#Person2#: It is $1 coins.\n#Person1#: I give you $2 coins.\n#Person2#: No.",
      { "#Person2# rejects $2 coins for the $o.", "#Person2# rejects $2 coins.",
        "#Person2# rejects $2 coins for the $o, not $1." } },
    { "a meeting",
      "#Person1#: Shall we go to the $p $t?\n#Person2#: I can come $u.\n#Person1#: Good.",
      { "#Person1# and #Person2# plan a visit to the $p $u.", "#Person1# and #Person2# plan a visit $u.",
        "#Person1# and #Person2# plan a visit to the $p." } },
    { "a lost animal",
      "#Person1#: I lost my $c $n.\n#Person2#: I saw a $c $n at the $p $t.\n#Person1#: Thank you.",
      { "#Person2# guesses that the $c $n is at the $p.", "#Person2# guesses that the $n is at the $p.",
        "#Person2# guesses that the $c $n was at the $p $t." } },
    { "a repair",
      "#Person1#: My $o is broken.\n#Person2#: The $j at the $p can help you.\n#Person1#: Thank you.",
      { "#Person2# recommends the $j at the $p for the $o.", "#Person2# recommends the $j.",
        "#Person2# recommends the $j at the $p." } },
};

static void draw_dialogsum(mini_item *x, rng *r)
{
    scene s;
    scene_cast(&s, r);
    scene_number(&s, '1', 5 + pick(r, 30));
    scene_number(&s, '2', 5 + pick(r, 30));
    const talk *t = &talks[pick(r, sizeof talks / sizeof *talks)];
    say(&x->text[0], &s, t->dialogue);
    for (int i = 0; i < 3; i++) say(&x->text[1 + i], &s, t->summary[i]);
    str_puts(&x->text[4], t->topic);
}

/* Lum | English */
static void draw_iwslt(mini_item *x, rng *r)
{
    lum_sentence l = { 0 };
    lum_draw(&l, r, false);
    str_puts(&x->text[0], str_c(&l.lum));
    str_puts(&x->text[1], str_c(&l.en));
    lum_sentence_free(&l);
}

/* ctx_a | ctx_b | endings, one per line | activity; number: the right ending. Of the wrong endings,
 * one has another tool's act, one another material's product, and one has both. */
static void draw_hellaswag(mini_item *x, rng *r)
{
    scene s;
    scene_cast(&s, r);
    int tool = pick(r, TOOLS), material = pick(r, MATERIALS);
    int other_tool     = (tool + 1 + pick(r, TOOLS - 1)) % TOOLS,
        other_material = (material + 1 + pick(r, MATERIALS - 1)) % MATERIALS;
    str_printf(&x->text[0], "The %s takes the %s and some %s to the %s.", s.word['j'], craft_tools[tool].tool,
               craft_materials[material].material, s.word['p']);
    str_printf(&x->text[1], "the %s", s.word['j']);
    str_printf(&x->text[3], "Working with %s", craft_materials[material].material);
    int64_t order[4] = { 0, 1, 2, 3 };
    rng_shuffle(r, order, 4);
    for (int i = 0; i < 4; i++) {
        int t = order[i] & 1 ? other_tool : tool, m = order[i] & 2 ? other_material : material;
        str_printf(&x->text[2], "%s the %s into %s.\n", craft_tools[t].act, craft_materials[material].material,
                   craft_materials[m].product);
        if (order[i] == 0) x->number = i;
    }
}

/* question | answer */
static const char *const gains[]  = { "finds", "buys", "gets", "wins", "collects", "picks" };
static const char *const losses[] = { "loses", "sells", "eats", "drops", "breaks", "burns" };

static void draw_gsm8k(mini_item *x, rng *r)
{
    scene s;
    scene_cast(&s, r);
    int now = 3 + pick(r, 18), steps = 1 + pick(r, 2);
    str_printf(&x->text[0], "First %s has %d %s.", s.word['a'], now, s.word['O']);
    for (int i = 0; i < steps; i++) {
        bool gain = chance(r, 0.5) || now < 4;
        int  d = 1 + pick(r, gain ? 12 : now - 1 < 12 ? now - 1 : 12), after = gain ? now + d : now - d;
        str_printf(&x->text[0], " Then %s %s %d %s.", s.word['a'], gain ? gains[pick(r, 6)] : losses[pick(r, 6)], d,
                   s.word['O']);
        str_printf(&x->text[1], "%s %d%c%d=<<%d%c%d=%d>>%d %s.\n", i ? "Then" : "First", now, gain ? '+' : '-', d, now,
                   gain ? '+' : '-', d, after, after, s.word['O']);
        now = after;
    }
    str_printf(&x->text[0], " How many %s does %s have?", s.word['O'], s.word['a']);
    str_printf(&x->text[1], "#### %d", now);
}

const mini_task mini_tasks[MINI_TASKS] = {
    [MINI_SQUAD]     = { "squad", draw_squad, "Context: $0 Question: $1 Answer: $2\n" },
    [MINI_DIALOGSUM] = { "dialogsum", draw_dialogsum, "Document: $0 Summary: $1\n" },
    [MINI_IWSLT]     = { "iwslt", draw_iwslt, "de: $0 en: $1\n" },
    [MINI_HELLASWAG] = { "hellaswag", draw_hellaswag, "$3: $0 $1 $2" },
    [MINI_GSM8K]     = { "gsm8k", draw_gsm8k, "$0 Answer: $1\n" },
};

void mini_item_say(str *out, const mini_item *x, const mini_task *task)
{
    scene s = { 0 };
    for (int i = 0; i < 6; i++) s.word['0' + i] = str_c(&x->text[i]);
    say(out, &s, task->frame);
}
