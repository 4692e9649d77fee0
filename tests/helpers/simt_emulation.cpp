// SPDX-License-Identifier: Apache-2.0
#include "helpers/simt_emulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "helpers/fibre.hpp"
#include "inference/kernels/simt.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define SHARED_UNDER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHARED_UNDER_ASAN
#endif
#endif
#ifdef SHARED_UNDER_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace faceflow::internal::emulation {
namespace {

using inference::kernels::half;
using inference::kernels::half2;
using inference::kernels::half8;

constexpr int lanes = 32;
constexpr std::byte nothing{0xff};  // of halves, of floats: not a number
constexpr std::size_t guard_bytes = 256;

enum class meeting : std::uint8_t { matrices, product, shuffle };
enum class doing : std::uint8_t { runs, waits_for_warp, waits_at_barrier, ended };

struct copy {
    half8* to;
    half8 what;
};

struct emulated_thread {
    fibre own;
    doing now = doing::ended;
    std::vector<copy> copies;
};

// Meetings follow each other closely: who comes to the next may find others that have not yet read what the last one gave. Two
// in turn are enough, because nobody comes to the third before all have come to the second.
struct emulated_warp {
    int come = 0;
    meeting what{};
    unsigned met = 0;
    alignas(16) std::array<std::array<std::array<std::byte, 64>, lanes>, 2> brought;
    std::array<std::array<float, 16 * 8>, 2> product;
};

class emulator {
public:
    result<void> run(const grid& g, void (*work)(const void*), const void* parameters, order first) {
        grid_ = g;
        work_ = work;
        parameters_ = parameters;
        step_ = first == order::forwards ? 1 : -1;
        while (threads_.size() < static_cast<std::size_t>(g.threads))
            threads_.emplace_back();
        warps_.resize(static_cast<std::size_t>(g.threads / lanes));
        shared_.resize(g.shared_bytes + guard_bytes + alignment);
        problem_.clear();
        for (y_ = 0; y_ < g.y && problem_.empty(); ++y_)
            for (x_ = 0; x_ < g.x && problem_.empty(); ++x_)
                run_block();
        if (problem_.empty()) return {};
        threads_.clear();  // some stacks were left in the middle of something
        return fail(errc::internal, problem_);
    }

    int thread() const { return current_; }
    int lane() const { return current_ % lanes; }
    std::int32_t x() const { return x_; }
    std::int32_t y() const { return y_; }
    std::int32_t width() const { return grid_.x; }
    std::byte* shared() {
        const auto at = reinterpret_cast<std::uintptr_t>(shared_.data());
        return shared_.data() + (alignment - at % alignment) % alignment;
    }
    std::vector<copy>& copies() { return threads_[static_cast<std::size_t>(current_)].copies; }

    void barrier() {
        if (++at_barrier_ == grid_.threads) {
            at_barrier_ = 0;
            wake(0, grid_.threads);
        } else {
            wait_as(doing::waits_at_barrier);
        }
    }

    // Brings `own` to a meeting of the warp; when all have come, the last one calls `closes` with their pieces in its hands.
    // Returns which of the two sets of pieces was met with.
    template <class T, class Closes>
    unsigned meet(meeting what, const T& own, Closes closes) {
        static_assert(sizeof(T) <= 64);
        emulated_warp& w = warp();
        if (w.come > 0 && w.what != what) stop("threads of a warp differ in what they do together");
        w.what = what;
        const unsigned set = w.met % 2;
        std::memcpy(w.brought[set][static_cast<std::size_t>(lane())].data(), &own, sizeof own);
        if (++w.come == lanes) {
            w.come = 0;
            ++w.met;
            closes(w, set);
            const int from = current_ - lane();
            wake(from, from + lanes);
        } else {
            wait_as(doing::waits_for_warp);
        }
        return set;
    }
    template <class T>
    T brought(unsigned set, int by) {
        T v;
        std::memcpy(&v, warp().brought[set][static_cast<std::size_t>(by)].data(), sizeof v);
        return v;
    }
    // Ends the run; does not return.
    void stop(std::string what) {
        problem_ = fmt::format("block {}, {}: {}", x_, y_, what);
        std::string().swap(what);  // nobody comes back to this stack to do it
        threads_[static_cast<std::size_t>(current_)].own.switch_to(main_, true);
    }
    emulated_warp& warp() { return warps_[static_cast<std::size_t>(current_ / lanes)]; }

private:
    static constexpr std::size_t alignment = 128;

    static void entry();

    void run_block() {
        std::memset(shared_.data(), static_cast<int>(nothing), shared_.size());
#ifdef SHARED_UNDER_ASAN
        __asan_poison_memory_region(shared() + grid_.shared_bytes, guard_bytes);
#endif
        for (int i = 0; i < grid_.threads; ++i) {
            emulated_thread& t = threads_[static_cast<std::size_t>(i)];
            t.now = doing::runs;
            t.copies.clear();
            t.own.start(entry);
        }
        for (emulated_warp& w : warps_)
            w.come = 0;
        at_barrier_ = 0;
        current_ = step_ > 0 ? 0 : grid_.threads - 1;
        main_.switch_to(threads_[static_cast<std::size_t>(current_)].own);
#ifdef SHARED_UNDER_ASAN
        __asan_unpoison_memory_region(shared() + grid_.shared_bytes, guard_bytes);
#endif
        const std::byte* const beyond = shared() + grid_.shared_bytes;
        if (problem_.empty() && !std::all_of(beyond, beyond + guard_bytes, [](std::byte b) { return b == nothing; }))
            problem_ =
                fmt::format("block {}, {} wrote beyond its {} bytes of shared memory", x_, y_, grid_.shared_bytes);
    }

    int count(doing what) const {
        return static_cast<int>(std::count_if(threads_.begin(), threads_.begin() + grid_.threads,
                                              [what](const emulated_thread& t) { return t.now == what; }));
    }

    void wake(int from, int to) {
        for (int i = from; i < to; ++i)
            threads_[static_cast<std::size_t>(i)].now = doing::runs;
    }
    void wait_as(doing what) {
        threads_[static_cast<std::size_t>(current_)].now = what;
        next(false);
    }

    bool runs(int i) const {
        return threads_[static_cast<std::size_t>(i)].now == doing::runs;
    }

    // -1 when all wait.
    int next_that_runs() const {
        if (step_ > 0) {
            const int warp = current_ - lane();
            for (int i = 1; i <= lanes; ++i)
                if (runs(warp + (lane() + i) % lanes)) return warp + (lane() + i) % lanes;
        }
        for (int i = 1; i <= grid_.threads; ++i) {
            const int other = (current_ + i * step_ + i * grid_.threads) % grid_.threads;
            if (runs(other)) return other;
        }
        return -1;
    }

    // To the next thread that can go on; with none, back to who ran the block, for good unless all have ended.
    void next(bool last) {
        emulated_thread& own = threads_[static_cast<std::size_t>(current_)];
        const int other = next_that_runs();
        if (other >= 0) {
            current_ = other;
            own.own.switch_to(threads_[static_cast<std::size_t>(other)].own, last);
            return;
        }
        const int ended = count(doing::ended);
        if (ended < grid_.threads) {
            stop(fmt::format("{} threads wait at a barrier and {} for others of their warp, while {} have ended",
                             count(doing::waits_at_barrier), count(doing::waits_for_warp), ended));
        }
        own.own.switch_to(main_, true);
    }

    grid grid_;
    void (*work_)(const void*) = nullptr;
    const void* parameters_ = nullptr;
    int step_ = 1, current_ = 0, at_barrier_ = 0;
    std::int32_t x_ = 0, y_ = 0;
    std::vector<emulated_thread> threads_;
    std::vector<emulated_warp> warps_;
    std::vector<std::byte> shared_;
    fibre main_{fibre::thread_stack{}};
    std::string problem_;
};

emulator& machine() {
    static emulator it;
    return it;
}

void emulator::entry() {
    fibre_arrived();
    emulator& it = machine();
    it.work_(it.parameters_);
    it.threads_[static_cast<std::size_t>(it.current_)].now = doing::ended;
    it.next(true);
}

// What one thread holds of a product: halves as floats, which all of the warp read many times.
struct factors {
    std::array<float, 8> a;
    std::array<float, 4> b;
};

// All of the warp's product at once.
void multiply_warp(emulated_warp& w, unsigned set) {
    std::array<std::array<float, 16>, 16> a;
    std::array<std::array<float, 8>, 16> b;
    for (unsigned lane = 0; lane < lanes; ++lane) {
        factors f;
        std::memcpy(&f, w.brought[set][lane].data(), sizeof f);
        const unsigned r = lane / 4, q = lane % 4;
        for (unsigned i = 0; i < 8; ++i)  // pairs: row r, row r + 8, then both 8 columns on
            a[r + i / 2 % 2 * 8][q * 2 + i / 4 * 8 + i % 2] = f.a[i];
        for (unsigned i = 0; i < 4; ++i)
            b[q * 2 + i / 2 * 8 + i % 2][r] = f.b[i];
    }
    auto& out = w.product[set];
    out.fill(0);
    for (unsigned m = 0; m < 16; ++m)
        for (unsigned k = 0; k < 16; ++k)
            for (unsigned n = 0; n < 8; ++n)
                out[m * 8 + n] += a[m][k] * b[k][n];
}

}  // namespace

result<void> run(const grid& g, void (*thread)(const void*), const void* parameters, order first) {
    return machine().run(g, thread, parameters, first);
}

}  // namespace faceflow::internal::emulation

namespace faceflow::internal::inference::kernels {

using emulation::machine;
using emulation::meeting;

int thread() {
    return machine().thread();
}
int block_x() {
    return machine().x();
}
int block_y() {
    return machine().y();
}
int blocks_x() {
    return machine().width();
}
std::byte* shared_memory() {
    return machine().shared();
}
void barrier() {
    machine().barrier();
}

void require_aligned(const void* address, std::size_t to) {
    if (reinterpret_cast<std::uintptr_t>(address) % to != 0)
        machine().stop(fmt::format("a word of {} bytes is not at a multiple of that", to));
}

void copy_async(half8* to_shared, const half8* from) {
    require_aligned(to_shared, alignof(half8));
    machine().copies().push_back({to_shared, load(from)});
}
void copy_async_if(bool there, half8* to_shared, const half8* from) {
    machine().copies().push_back({to_shared, there ? load(from) : half8{0, 0, 0, 0}});
}
void wait_for_copies() {
    for (const emulation::copy& c : machine().copies())
        store(c.to, c.what);
    machine().copies().clear();
}
void wait_for_previous_kernel() {}
void let_next_kernel_start() {}

void load_matrices(half2 (&to)[4], const half* shared_row) {
    require_aligned(shared_row, alignof(half8));
    const unsigned set = machine().meet(meeting::matrices, shared_row, [](auto&, unsigned) {});
    const int lane = machine().lane();
    for (int i = 0; i < 4; ++i) {
        const auto* const row = machine().brought<const half*>(set, i * 8 + lane / 4);
        std::memcpy(&to[i], row + lane % 4 * 2, sizeof to[i]);
    }
}

void multiply(float* sums, const half2 (&a)[4], half2 b0, half2 b1) {
    emulation::factors own;
    for (unsigned i = 0; i < 4; ++i) {
        own.a[i * 2] = first_of(a[i]);
        own.a[i * 2 + 1] = second_of(a[i]);
    }
    own.b = {first_of(b0), second_of(b0), first_of(b1), second_of(b1)};
    const unsigned set = machine().meet(meeting::product, own, emulation::multiply_warp);
    const auto& product = machine().warp().product[set];
    const auto lane = static_cast<unsigned>(machine().lane());
    for (unsigned i = 0; i < 4; ++i)
        sums[i] += product[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2];
}

float exchange_xor(float v, int mask) {
    const unsigned set = machine().meet(meeting::shuffle, v, [](auto&, unsigned) {});
    return machine().brought<float>(set, machine().lane() ^ mask);
}

}  // namespace faceflow::internal::inference::kernels
