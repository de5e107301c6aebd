#!/bin/sh
# Assembly that holds the given files, and the table `task_files` (name, first byte, bytes) that ends with a null name.
echo '    .section .rodata'
i=0
for f in "$@"; do
    [ -e "$f" ] || continue
    printf 'f%d: .incbin "%s"\nf%d_end: .byte 0\nn%d: .string "%s"\n' $i "$f" $i $i "$(basename "$f" .json)"
    i=$((i + 1))
done
echo '    .section .data.rel.ro, "aw"'
echo '    .balign 8'
echo '    .globl task_files'
echo 'task_files:'
k=0
while [ $k -lt $i ]; do
    echo "    .quad n$k, f$k, f${k}_end - f$k"
    k=$((k + 1))
done
echo '    .quad 0, 0, 0'
echo '    .section .note.GNU-stack, "", @progbits'
