// SPDX-License-Identifier: Apache-2.0
// The other process of the tests of src/ipc and of shared device memory: a channel is its descriptor 3, and its first
// argument says what to do.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "backends/open_devices.hpp"
#include "faceflow/client.h"
#include "ipc/channel.hpp"
#include "ipc/child_process.hpp"
#include "ipc/control_page.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using namespace std::chrono_literals;

ipc::time_point soon() {
    return std::chrono::steady_clock::now() + 20s;
}

// Exits with the line of what went wrong.
template <class T>
T need(result<T> r, int line = __builtin_LINE()) {
    if (!r) {
        const std::string text = "ipc_peer: " + r.error().message + "\n";
        if (::write(2, text.data(), text.size()) < 0) _exit(2);
        _exit(line % 200 + 10);
    }
    if constexpr (!std::is_void_v<T>) return std::move(*r);
}

// Sends every message back as it came.
int echo(ipc::channel& to) {
    std::vector<std::byte> payload;
    while (true) {
        auto m = to.receive(soon(), 64 << 20, [&](const ipc::message& began) -> result<std::span<std::byte>> {
            payload.resize(began.payload_bytes);
            return std::span(payload);
        });
        if (!m) return m.error().code == errc::unavailable ? 0 : 1;
        std::vector<int> descriptors;
        for (const auto& d : m->descriptors)
            descriptors.push_back(d.get());
        need(to.send(m->kind, m->body, std::span(payload).first(m->payload_bytes), descriptors, soon()));
    }
}

// The memory's bytes, each one more, once word 0 says 1; then word 1 says 1.
int share(ipc::channel& to, const char* device_name) {
    auto opened = need(open_devices({device_name, std::size_t{32} << 20, "none"}));
    device& on = *opened.front();
    auto m = need(to.receive(soon()));
    memory_export memory{need(ipc::body_as<memory_location>(m)), std::move(m.descriptors.at(0))};
    auto page = need(ipc::control_page::open(std::move(m.descriptors.at(1)), 2, access::read_write));
    const auto imported = need(on.import_memory(memory, access::read_write));
    need(on.register_semaphores(page.pages()));
    const auto s = need(on.make_stream("peer"));
    const auto e = need(on.make_event());
    const auto host = need(on.allocate_host(imported->bytes(), true));
    s->wait(page[0], 1);
    need(transfer(*s, direction::device_to_host, imported->data(), host, host.bytes, {}));
    need(synchronise(*s, *e, {}));
    for (std::size_t i = 0; i < host.bytes; ++i)
        host.data[i] = static_cast<std::byte>(std::to_integer<int>(host.data[i]) + 1);
    need(transfer(*s, direction::host_to_device, imported->data(), host, host.bytes, {}));
    s->signal(page[1], 1);
    need(synchronise(*s, *e, {}));
    on.release_host(host);
    on.unregister_semaphores(page.pages());
    return 0;
}

int raise_word(ipc::channel& to) {
    auto m = need(to.receive(soon()));
    auto page = need(ipc::control_page::open(std::move(m.descriptors.at(0)), 1, access::read_write));
    raise(page[0], 7);
    return 0;
}

// The numbers of the open descriptors, as the body.
int descriptors(ipc::channel& to) {
    std::vector<int> open;
    for (int n = 3; n < 1024; ++n) {
        if (::fcntl(n, F_GETFD) >= 0) open.push_back(n);
    }
    need(to.send(1, std::as_bytes(std::span(open)), {}, {}, soon()));
    return 0;
}

// Starts a child of its own, tied to it, that has the channel too.
int own(const ipc::channel& to, const char* self) {
    const std::vector<std::string> arguments{"tied", std::to_string(::getpid())};
    const std::vector<ipc::inherited_fd> inherited{{to.descriptor(), 3}};
    const auto child = need(ipc::child_process::spawn(self, arguments, inherited));
    while (true)
        ::pause();
}

int tied(ipc::channel& to, const char* owner) {
    need(ipc::die_with_parent(std::stoi(owner)));
    const int id = ::getpid();
    need(to.send(1, id, soon()));
    while (true)
        ::pause();
}

// A client of a share server that holds all the frames its leases let it, for good. Says so when it is connected, and when it
// holds them.
int hold_frames(ipc::channel& to, const char* path) {
    ff_client* const client = ff_client_new();
    ff_options options{};
    options.policy = FF_FIFO;
    if (ff_client_connect(client, path, &options) != FF_OK) return 1;
    need(to.send(1, 0, soon()));
    ff_stats stats{};
    ff_client_get_stats(client, &stats, sizeof stats);
    for (std::uint32_t i = 0; i < stats.leases; ++i) {
        ff_frame* held = nullptr;
        if (ff_next(client, 20000, &held) != FF_OK) return 1;
    }
    need(to.send(1, 0, soon()));
    while (true)
        ::pause();
}

// One that is awake when frames are due, takes them for good, and says so when it must have learnt when that is.
int anticipate_frames(ipc::channel& to, const char* path) {
    ff_client* const client = ff_client_new();
    ff_options options{};
    options.policy = FF_FIFO;
    options.anticipate = 1;
    if (ff_client_connect(client, path, &options) != FF_OK) return 1;
    need(to.send(1, 0, soon()));
    for (int i = 0;; ++i) {
        ff_frame* taken = nullptr;
        if (ff_next(client, 20000, &taken) != FF_OK) return 1;
        ff_frame_release(taken);
        if (i == 24) need(to.send(1, 0, soon()));
    }
}

}  // namespace

int main(int count, char** arguments) {
    const std::string_view what = count > 1 ? arguments[1] : "";
    if (what == "exit") return std::stoi(arguments[2]);
    if (what == "pause") {
        while (true)
            ::pause();
    }
    if (what == "spin") {
        for (std::atomic<unsigned long> n{0};;)
            ++n;
    }
    if (what == "spin_beside") {
        std::thread([] {
            for (std::atomic<unsigned long> n{0};;)
                ++n;
        }).join();
    }
    auto to = need(ipc::channel::adopt(unique_fd(3)));
    if (what == "echo") return echo(to);
    if (what == "share") return share(to, arguments[2]);
    if (what == "raise") return raise_word(to);
    if (what == "descriptors") return descriptors(to);
    if (what == "own") return own(to, arguments[0]);
    if (what == "tied") return tied(to, arguments[2]);
    if (what == "anticipate_frames") return anticipate_frames(to, arguments[2]);
    if (what == "hold_frames") return hold_frames(to, arguments[2]);
    return 9;
}
