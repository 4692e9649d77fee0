// SPDX-License-Identifier: Apache-2.0
// A client of shared frames against a server that does whatever the fuzzer says: messages of any kind, with memory of any sort or
// without, the client's page scribbled over meanwhile. The client gives frames that can be read to the last byte, or an error; it
// neither faults nor waits longer than it was told to.
// Steps follow one another, each a byte that says what, then its bytes: 0 a message (kind, descriptors, length of its body: a byte
// each, the body), 1 a word of the page (which: 2 bytes, its value: 8), 2 the client asks for a frame, 3 it lets one go.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/connection.hpp"
#include "core/sealed_memory.hpp"
#include "frame/layout.hpp"
#include "ipc/listener.hpp"
#include "ipc/share_page.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using std::chrono::steady_clock;

constexpr std::uint32_t leases = 4;

class steps {
public:
    explicit steps(std::span<const std::byte> left) : left_(left) {}
    bool empty() const { return left_.empty(); }
    std::span<const std::byte> take(std::size_t n) {
        const auto part = left_.first(std::min(n, left_.size()));
        left_ = left_.subspan(part.size());
        return part;
    }
    template <class T>
    T number() {
        T n = 0;
        const auto part = take(sizeof n);
        if (!part.empty()) std::memcpy(&n, part.data(), part.size());
        return n;
    }

private:
    std::span<const std::byte> left_;
};

// One folder and door for all inputs.
struct meeting_place {
    meeting_place() {
        std::string pattern = (std::filesystem::temp_directory_path() / "faceflow-fuzz-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        door.emplace(ipc::listener::open(folder / "s").value());
    }
    ~meeting_place() {
        door.reset();
        std::error_code ec;
        std::filesystem::remove_all(folder, ec);
    }
    std::filesystem::path folder;
    std::optional<ipc::listener> door;
    const unique_fd good = make_sealed_memory("fuzz", 64 << 10).value();
    const unique_fd unsealed{::memfd_create("fuzz", MFD_CLOEXEC)};
    const unique_fd none{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
};

void read_to_the_last_byte(const client::claim& c) {
    const image& p = c.picture();
    std::uint32_t sum = 0;
    for (int i = 0; i < plane_count(p.format); ++i) {
        const auto extent = extent_of(p.format, p.width, p.height, i);
        const plane& at = p.planes[static_cast<std::size_t>(i)];
        for (std::size_t byte = 0; byte < extent.bytes(); byte += 511)
            sum += at.data[byte];
        if (extent.bytes() > 0) sum += at.data[extent.bytes() - 1];
    }
    __asm__ __volatile__("" : : "r"(sum));  // it has been read
}

class false_server {
public:
    explicit false_server(meeting_place& at) : at_(at), page_(ipc::control_page::create(3 * leases + 2).value()) {}

    std::shared_ptr<client::connection> greet() {
        std::thread server([this] {
            auto c = at_.door->accept(ipc::forever);
            if (!c) return;
            static_cast<void>(c->receive(ipc::forever));
            const std::array<int, 1> page{page_.descriptor()};
            static_cast<void>(c->send(static_cast<std::uint16_t>(ipc::share_message::welcome),
                                      ipc::share_welcome{ipc::share_version, leases, 1, 0}, ipc::forever, page));
            to_.emplace(std::move(*c));
        });
        ipc::share_hello hello;
        hello.leases = leases;
        auto opened = client::connection::open(at_.folder / "s", hello, ipc::forever);
        server.join();
        return opened ? *opened : nullptr;
    }
    void say(steps& from) {
        const auto kind = static_cast<std::uint16_t>(100 + from.number<std::uint8_t>() % 9);
        const std::array<int, 3> all{at_.good.get(), at_.unsealed.get(), at_.none.get()};
        const auto which = from.number<std::uint8_t>();
        const std::vector<int> descriptors(which % 4 == 3 ? 0 : which % 4 == 2 ? 2 : 1, all[which / 4 % 3]);
        const auto body = from.take(from.number<std::uint8_t>());
        static_cast<void>(to_->send(kind, body, {}, descriptors, ipc::time_point{}));
    }
    void scribble(steps& from) {
        const auto word = from.number<std::uint16_t>() % (page_.pages().size() / 8);
        const auto value = from.number<std::uint64_t>();
        std::memcpy(page_.pages().data() + word * 8, &value, sizeof value);
    }

private:
    meeting_place& at_;
    ipc::control_page page_;
    std::optional<ipc::channel> to_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static meeting_place place;
    steps from(std::as_bytes(std::span(data, size)));
    false_server server(place);
    const auto client = server.greet();
    if (client == nullptr) __builtin_trap();
    std::vector<client::claim> held;
    for (int asked = 0; !from.empty() && asked < 8;) {
        switch (from.number<std::uint8_t>() % 4) {
            case 0: server.say(from); break;
            case 1: server.scribble(from); break;
            case 2: {
                ++asked;
                const auto begun = steady_clock::now();
                auto got = client->next(begun + std::chrono::milliseconds(1));
                if (steady_clock::now() - begun > std::chrono::seconds(20)) __builtin_trap();
                if (!got && got.error().message.empty()) __builtin_trap();
                if (got && *got) held.push_back(std::move(**got));
                break;
            }
            default:
                if (!held.empty()) held.pop_back();
        }
        for (const auto& c : held)
            read_to_the_last_byte(c);
    }
    return 0;
}
