/** What has glibc ask for huge pages: set by the launcher (packages/net/bin/understudy), and advised to applications by the README. */
export const HUGE_PAGES_ENVIRONMENT = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }
