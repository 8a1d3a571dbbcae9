/* A stand-in for libnvidia-ml.so.1 with the functions that the pynvml binding calls here.
   NVML_STUB_INIT: return code of initialisation. NVML_STUB_COUNT: devices. NVML_STUB_FAIL: "name=code,name=code".
   NVML_STUB_MIG: slices on device 0. NVML_STUB_PIDS: "1,2" on device 0, each holding NVML_STUB_HELD MiB; NVML_STUB_USED: "pid=percent" of its time. NVML_STUB_REASONS: clock event mask. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *dev;
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } process;
typedef struct { unsigned pid; unsigned long stamp; unsigned sm, mem, enc, dec; } used;

static long env(const char *name, long fallback) { const char *v = getenv(name); return v && *v ? strtol(v, 0, 0) : fallback; }

static int fail(const char *name) {
    const char *list = getenv("NVML_STUB_FAIL");
    size_t n = strlen(name);
    while (list && *list) {
        if (!strncmp(list, name, n) && list[n] == '=') return atoi(list + n + 1);
        list = strchr(list, ',');
        if (list) list++;
    }
    return 0;
}
#define GUARD do { int code = fail(__func__); if (code) return code; } while (0)
static long at(dev d) { return (long)d - 1; }          /* device i is handle i + 1, slice j is handle 1001 + j */
static int is_slice(dev d) { return at(d) >= 1000; }
static int put(char *out, const char *text, unsigned size) { snprintf(out, size, "%s", text); return 0; }

int nvmlInitWithFlags(unsigned flags) { (void)flags; return (int)env("NVML_STUB_INIT", 0); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { (void)code; return "stub error"; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { GUARD; return put(out, "580.95.05", size); }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { GUARD; *out = 13010; return 0; }
int nvmlDeviceGetCount_v2(unsigned *out) { GUARD; *out = (unsigned)env("NVML_STUB_COUNT", 1); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, dev *out) { GUARD; *out = (dev)(long)(i + 1); return 0; }
int nvmlDeviceGetName(dev d, char *out, unsigned size) { GUARD; return put(out, is_slice(d) ? "NVIDIA H100 80GB HBM3 MIG 3g.40gb" : "NVIDIA H100 80GB HBM3", size); }
int nvmlDeviceGetUUID(dev d, char *out, unsigned size) { GUARD; char text[40]; snprintf(text, sizeof text, "%s-%ld", is_slice(d) ? "MIG" : "GPU", at(d)); return put(out, text, size); }
int nvmlDeviceGetMemoryInfo(dev d, memory *m) { GUARD; m->total = is_slice(d) ? 42949672960ULL : 85520809984ULL; m->used = 1ULL << 30; m->free = m->total - m->used; return 0; }
int nvmlDeviceGetCudaComputeCapability(dev d, int *major, int *minor) { GUARD; (void)d; *major = 9; *minor = 0; return 0; }
int nvmlDeviceGetEccMode(dev d, int *now, int *later) { GUARD; (void)d; *now = *later = 1; return 0; }
int nvmlDeviceGetMigMode(dev d, unsigned *now, unsigned *later) { GUARD; *now = *later = at(d) == 0 && env("NVML_STUB_MIG", 0) > 0; return 0; }
int nvmlDeviceGetMaxMigDeviceCount(dev d, unsigned *out) { GUARD; (void)d; *out = 7; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(dev d, unsigned i, dev *out) {
    GUARD; (void)d;
    if (i % 2 || i / 2 >= (unsigned)env("NVML_STUB_MIG", 0)) return 6;   /* every second position is empty */
    *out = (dev)(long)(1001 + i); return 0;
}
int nvmlDeviceGetEnforcedPowerLimit(dev d, unsigned *out) { GUARD; (void)d; *out = 700000; return 0; }
int nvmlDeviceGetPowerUsage(dev d, unsigned *out) { GUARD; (void)d; *out = 312500; return 0; }
int nvmlDeviceGetTotalEnergyConsumption(dev d, unsigned long long *out) { GUARD; (void)d; static unsigned long long e = 1000; *out = e += 10; return 0; }
int nvmlDeviceGetClockInfo(dev d, int kind, unsigned *out) { GUARD; (void)d; (void)kind; *out = 1755; return 0; }
int nvmlDeviceGetMaxClockInfo(dev d, int kind, unsigned *out) { GUARD; (void)d; (void)kind; *out = 1980; return 0; }
int nvmlDeviceGetTemperature(dev d, int sensor, unsigned *out) { GUARD; (void)d; (void)sensor; *out = 41; return 0; }
int nvmlDeviceGetCurrentClocksEventReasons(dev d, unsigned long long *out) { GUARD; (void)d; *out = (unsigned long long)env("NVML_STUB_REASONS", 1); return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(dev d, unsigned long long *out) { GUARD; (void)d; *out = (unsigned long long)env("NVML_STUB_REASONS", 1); return 0; }
int nvmlDeviceGetNvLinkState(dev d, unsigned link, unsigned *out) { GUARD; (void)d; if (link >= 18) return 2; *out = 1; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(dev d, unsigned *count, process *out) {
    GUARD;
    const char *list = getenv("NVML_STUB_PIDS");
    unsigned found = 0, room = out ? *count : 0;
    if (at(d) == 0)
        while (list && *list) { if (found < room) { memset(&out[found], 0, sizeof *out); out[found].pid = (unsigned)atoi(list); out[found].used = (unsigned long long)env("NVML_STUB_HELD", 0) << 20; } found++; list = strchr(list, ','); if (list) list++; }
    *count = found;
    return found > room ? 7 : 0;
}
int nvmlDeviceGetProcessUtilization(dev d, used *out, unsigned *count, unsigned long long since) {
    GUARD;
    const char *list = at(d) == 0 ? getenv("NVML_STUB_USED") : 0;
    unsigned found = 0, room = out ? *count : 0;
    while (list && *list) {
        if (found < room) { memset(&out[found], 0, sizeof *out); out[found].pid = (unsigned)atoi(list); out[found].stamp = since + 1; out[found].sm = (unsigned)atoi(strchr(list, '=') + 1); }
        found++; list = strchr(list, ','); if (list) list++;
    }
    *count = found;
    return !found ? 6 : found > room ? 7 : 0;
}
