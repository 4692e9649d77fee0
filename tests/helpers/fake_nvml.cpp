// SPDX-License-Identifier: Apache-2.0
// An NVML without a card: what the real one exports, for tests that open it by path. Its cards are told apart by the bus in
// their PCI bus id: 01 tells everything, 02 is in MIG mode, 03 supports no counter, and there are no others. Each reading of 01 is
// one larger than the one before. FAKE_NVML_old: the library of an old driver, with the first forms of its functions, and
// without some.
#include <cstring>

extern "C" {

struct fake_card {
    int bus;
    unsigned int readings;
};
struct fake_utilisation {
    unsigned int gpu, memory;
};
struct fake_memory {
    unsigned long long total, free, used;
};

enum { success = 0, uninitialised = 1, not_supported = 3, not_found = 6 };

static int users = 0;
static fake_card cards[] = {{1, 0}, {2, 0}, {3, 0}};

// For tests: how many have started it and not shut it down.
int fake_nvml_users() {
    return users;
}

static int start() {
    ++users;
    return success;
}

int nvmlShutdown() {
    if (users == 0) return uninitialised;
    --users;
    return success;
}

static int find(const char* bus_id, fake_card** found) {
    if (users == 0) return uninitialised;
    if (std::strlen(bus_id) != std::strlen("0000:01:00.0") || std::strncmp(bus_id, "0000:0", 6) != 0) return not_found;
    const int bus = bus_id[6] - '0';
    if (bus < 1 || bus > 3) return not_found;
    *found = &cards[bus - 1];
    (*found)->readings = 0;
    return success;
}

#ifdef FAKE_NVML_old
int nvmlInit() {
    return start();
}
int nvmlDeviceGetHandleByPciBusId(const char* bus_id, fake_card** found) {
    return find(bus_id, found);
}
#else
int nvmlInit_v2() {
    return start();
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, fake_card** found) {
    return find(bus_id, found);
}
// Of the cards here the second alone.
int nvmlDeviceGetMigMode(fake_card* card, unsigned int* now, unsigned int* pending) {
    if (card->bus == 3) return not_supported;
    *now = *pending = card->bus == 2 ? 1 : 0;
    return success;
}
// Sent by the GPU, then received by it; in KB a second.
int nvmlDeviceGetPcieThroughput(fake_card* card, int counter, unsigned int* kb_per_second) {
    if (card->bus == 3) return not_supported;
    *kb_per_second = (counter == 0 ? 1000 : 5000) + card->readings;
    return success;
}
int nvmlDeviceGetPowerUsage(fake_card* card, unsigned int* milliwatts) {
    if (card->bus == 3) return not_supported;
    *milliwatts = 250'000 + 1000 * card->readings;
    return success;
}
#endif

int nvmlDeviceGetUtilizationRates(fake_card* card, fake_utilisation* u) {
    if (card->bus == 3) return not_supported;
    ++card->readings;  // the first that is asked for
    u->gpu = 40 + card->readings;
    u->memory = 20 + card->readings;
    return success;
}
int nvmlDeviceGetMemoryInfo(fake_card* card, fake_memory* m) {
    if (card->bus == 3) return not_supported;
    m->total = 80'000'000'000;
    m->used = 1'000'000'000 + card->readings;
    m->free = m->total - m->used;
    return success;
}
int nvmlDeviceGetTemperature(fake_card* card, int sensor, unsigned int* celsius) {
    if (card->bus == 3 || sensor != 0) return not_supported;
    *celsius = 50 + card->readings;
    return success;
}

}  // extern "C"
