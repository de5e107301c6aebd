#include "tokenizer/tokenizer_private.h"

static bool stands_for_itself(unsigned b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; }

unsigned byte_to_char(unsigned char byte)
{
    unsigned nth = 0;
    if (stands_for_itself(byte)) return byte;
    for (unsigned b = 0; b < byte; b++) nth += !stands_for_itself(b);
    return 0x100 + nth;
}

int char_to_byte(unsigned cp)
{
    static int16_t table[0x144]; /* 0: not filled yet; else byte + 1, or -1 */
    if (cp >= 0x144) return -1;
    if (!table[0x21]) {
        for (unsigned c = 0; c < 0x144; c++) table[c] = -1;
        for (unsigned b = 0; b < 256; b++) table[byte_to_char((unsigned char)b)] = (int16_t)(b + 1);
    }
    return table[cp] > 0 ? table[cp] - 1 : -1;
}
