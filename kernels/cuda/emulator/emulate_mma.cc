/* The emulator's form of what kernels/cuda/mma.h uses: fragments spread over the lanes of a
 * warp, and copies that happen at their wait. */
#include <deque>

#include "kernels/cuda/emulator/emulate.h"

#include "kernels/cuda/bf16.h"

static float of_pair(uint32_t pair, int upper) { return bf16 { (uint16_t)(pair >> 16 * upper) }; }

/* Rows and columns as in the PTX ISA's "Matrix Fragments for mma.m16n8k16 with floating point
 * type", each lane computing the four elements it holds. */
void emulate_mma(float d[4], const uint32_t a[4], const uint32_t b[2])
{
    struct {
        uint32_t a[4], b[2];
    } mine;
    const void *all[32];
    memcpy(mine.a, a, sizeof mine.a);
    memcpy(mine.b, b, sizeof mine.b);
    emulate_gather(&mine, sizeof mine, all);
    const int lane = emulate_thread_number() % 32;
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + (i >= 2 ? 8 : 0), column = lane % 4 * 2 + i % 2;
        float     sum = 0;
        for (int k = 0; k < 16; k++) {
            /* which of four lanes holds element k of a row; k / 8 says in which registers */
            const int group = k % 8 / 2;
            auto     *of_a  = (const uint32_t *)all[row % 8 * 4 + group],
                 *of_b      = (const uint32_t *)all[column * 4 + group] + 4;
            sum += of_pair(of_a[k / 8 * 2 + row / 8], k % 2) * of_pair(of_b[k / 8], k % 2);
        }
        d[i] += sum;
    }
}

/* Lane l names row l % 8 of matrix l / 8, and gets from each matrix the pair in row l / 4,
 * columns l % 4 * 2 and the next; transposed, the pair in column l / 4, those rows. */
void emulate_ldmatrix(uint32_t to[4], bool transposed, const void *row)
{
    const void *all[32];
    const int   lane = emulate_thread_number() % 32;
    emulate_check_shared(row, 16, 16);
    emulate_gather(row, 16, all);
    for (int m = 0; m < 4; m++) {
        uint16_t pair[2];
        for (int i = 0; i < 2; i++) {
            const int at = lane / 4, next = lane % 4 * 2 + i;
            pair[i] = ((const uint16_t *)all[8 * m + (transposed ? next : at)])[transposed ? at : next];
        }
        to[m] = pair[0] | (uint32_t)pair[1] << 16;
    }
}

struct copy {
    unsigned char *to;
    const void    *from;
    size_t         bytes;
    int            group; /* number of the thread's group, counted from its first */
};
static struct {
    std::deque<copy> under_way;
    int              group;
} copies[1024];

void emulate_copy_begin(void *to, const void *from, size_t bytes)
{
    auto &c = copies[emulate_thread_number()];
    emulate_check_shared(to, 16, 16);
    if (bytes > 16) emulate_stop("an asynchronous copy of more than its 16 bytes");
    if (bytes > 0) emulate_check_device(from, bytes, 16);
    memset(to, 0xff, 16);
    c.under_way.push_back({ (unsigned char *)to, from, bytes, c.group });
}

void emulate_copy_commit(void) { copies[emulate_thread_number()].group++; }

void emulate_copy_wait(size_t groups_left)
{
    auto &c = copies[emulate_thread_number()];
    while (!c.under_way.empty() && c.under_way.front().group < c.group - (int)groups_left) {
        const copy &done = c.under_way.front();
        memset(done.to + done.bytes, 0, 16 - done.bytes);
        if (done.bytes > 0) memcpy(done.to, done.from, done.bytes);
        c.under_way.pop_front();
    }
}

void emulate_copy_end_of_thread(void)
{
    auto &c = copies[emulate_thread_number()];
    if (!c.under_way.empty()) emulate_stop("ends while its asynchronous copies are under way");
    c.group = 0;
}
