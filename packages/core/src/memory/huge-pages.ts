/**
 * Does the C allocator ask the system for huge pages (2 MiB instead of 4 KiB)? What looks a key up waits for memory, and with small pages
 * half of that is the processor's search for where a page is. The executable's launcher (`packages/net/bin/understudy`) asks glibc for it, by
 * `glibc.malloc.hugetlb=1` in GLIBC_TUNABLES, which is read once, when the process starts; an application that embeds us can do the same.
 *
 * Redis warns of huge pages: behind a fork, the first write to each would copy 2 MiB. Nothing forks here.
 */
export const HUGE_PAGES: boolean = /(?:^|:)glibc\.malloc\.hugetlb=1(?::|$)/.test(process.env['GLIBC_TUNABLES'] ?? '')
