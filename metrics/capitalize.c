#include "metrics/capitalize.h"

#include <utf8proc.h>

/* The title-case mappings of more than one character (SpecialCasing.txt of Unicode 14, the version
 * of Python 3.11). */
static const struct {
    unsigned    cp;
    const char *title;
} long_titles[] = {
    { 0x00DF, "Ss" },
    { 0x0149, "\xCA\xBCN" },
    { 0x01F0, "J\xCC\x8C" },
    { 0x0390, "\xCE\x99\xCC\x88\xCC\x81" },
    { 0x03B0, "\xCE\xA5\xCC\x88\xCC\x81" },
    { 0x0587, "\xD4\xB5\xD6\x82" },
    { 0x1E96, "H\xCC\xB1" },
    { 0x1E97, "T\xCC\x88" },
    { 0x1E98, "W\xCC\x8A" },
    { 0x1E99, "Y\xCC\x8A" },
    { 0x1E9A, "A\xCA\xBE" },
    { 0x1F50, "\xCE\xA5\xCC\x93" },
    { 0x1F52, "\xCE\xA5\xCC\x93\xCC\x80" },
    { 0x1F54, "\xCE\xA5\xCC\x93\xCC\x81" },
    { 0x1F56, "\xCE\xA5\xCC\x93\xCD\x82" },
    { 0x1FB2, "\xE1\xBE\xBA\xCD\x85" },
    { 0x1FB4, "\xCE\x86\xCD\x85" },
    { 0x1FB6, "\xCE\x91\xCD\x82" },
    { 0x1FB7, "\xCE\x91\xCD\x82\xCD\x85" },
    { 0x1FC2, "\xE1\xBF\x8A\xCD\x85" },
    { 0x1FC4, "\xCE\x89\xCD\x85" },
    { 0x1FC6, "\xCE\x97\xCD\x82" },
    { 0x1FC7, "\xCE\x97\xCD\x82\xCD\x85" },
    { 0x1FD2, "\xCE\x99\xCC\x88\xCC\x80" },
    { 0x1FD3, "\xCE\x99\xCC\x88\xCC\x81" },
    { 0x1FD6, "\xCE\x99\xCD\x82" },
    { 0x1FD7, "\xCE\x99\xCC\x88\xCD\x82" },
    { 0x1FE2, "\xCE\xA5\xCC\x88\xCC\x80" },
    { 0x1FE3, "\xCE\xA5\xCC\x88\xCC\x81" },
    { 0x1FE4, "\xCE\xA1\xCC\x93" },
    { 0x1FE6, "\xCE\xA5\xCD\x82" },
    { 0x1FE7, "\xCE\xA5\xCC\x88\xCD\x82" },
    { 0x1FF2, "\xE1\xBF\xBA\xCD\x85" },
    { 0x1FF4, "\xCE\x8F\xCD\x85" },
    { 0x1FF6, "\xCE\xA9\xCD\x82" },
    { 0x1FF7, "\xCE\xA9\xCD\x82\xCD\x85" },
    { 0xFB00, "Ff" },
    { 0xFB01, "Fi" },
    { 0xFB02, "Fl" },
    { 0xFB03, "Ffi" },
    { 0xFB04, "Ffl" },
    { 0xFB05, "St" },
    { 0xFB06, "St" },
    { 0xFB13, "\xD5\x84\xD5\xB6" },
    { 0xFB14, "\xD5\x84\xD5\xA5" },
    { 0xFB15, "\xD5\x84\xD5\xAB" },
    { 0xFB16, "\xD5\x8E\xD5\xB6" },
    { 0xFB17, "\xD5\x84\xD5\xAD" },
};

static void title_of(unsigned cp, str *out)
{
    char one[4];
    for (size_t i = 0; i < sizeof long_titles / sizeof *long_titles; i++)
        if (long_titles[i].cp == cp) {
            str_puts(out, long_titles[i].title);
            return;
        }
    str_add(out, one, (size_t)utf8_encode((unsigned)utf8proc_totitle((utf8proc_int32_t)cp), one));
}

void py_capitalize(slice text, str *out)
{
    unsigned cp;
    str      head = { 0 }, lower = { 0 };
    if (!text.n) return;
    size_t first = (size_t)py_next(text.s, text.n, &cp);
    title_of(cp, out);
    /* A final sigma depends on the letters before it, so the whole text is lowered, not only the
     * rest. */
    py_lower(text, &lower);
    py_lower((slice) { text.s, first }, &head);
    str_add(out, lower.s + head.n, lower.n - head.n);
    str_free(&head);
    str_free(&lower);
}
