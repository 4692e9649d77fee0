// SPDX-License-Identifier: Apache-2.0
// The devices that every conformance test runs on, and what those tests share.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "backends/open_devices.hpp"
#include "device/device.hpp"
#include "support.hpp"

namespace faceflow::internal::test {

struct device_kind_under_test {
    std::string label;
    device_request request;
    friend std::ostream& operator<<(std::ostream& out, const device_kind_under_test& k) { return out << k.label; }
};

// Why a test is skipped that looks into streams by running tasks on them; copy_conformance_test.cpp looks from the outside.
inline constexpr const char* no_tasks = "kernels are not host functions";

inline constexpr std::size_t cap_under_test = std::size_t{32} << 20;

// A new kind of device joins here.
inline std::vector<device_kind_under_test> every_device() {
    return {{"cpu", {"cpu", cap_under_test, "none"}},
            {"emulated_no_link", {"emulated", cap_under_test, "none"}},
            {"emulated_pcie3", {"emulated", cap_under_test, "pcie3"}},
            {"cuda", {"cuda", cap_under_test, "none"}}};
}

// Holds up the stream whose task it is until opened. Only for devices that run tasks, and not on the calling thread.
class gate {
public:
    ~gate() { open(); }
    stream::task task() const {
        return [opened = opened_]() -> result<void> {
            opened.wait();
            return {};
        };
    }
    void open() {
        if (!std::exchange(is_open_, true)) promise_.set_value();
    }

private:
    std::promise<void> promise_;
    std::shared_future<void> opened_ = promise_.get_future().share();
    bool is_open_ = false;
};

class host_memory {
public:
    host_memory(device& from, std::size_t bytes, bool pinned)
        : from_(from),
          block_(from.allocate_host(bytes, pinned).value()) {}
    ~host_memory() { from_.release_host(block_); }
    host_memory(const host_memory&) = delete;
    host_memory& operator=(const host_memory&) = delete;
    const host_block& block() const { return block_; }
    std::byte* data() const { return block_.data; }
    void fill(int value) const { std::memset(block_.data, value, block_.bytes); }
    bool holds(int value) const {
        return std::all_of(block_.data, block_.data + block_.bytes,
                           [value](std::byte b) { return std::to_integer<int>(b) == value; });
    }

private:
    device& from_;
    const host_block block_;
};

class device_conformance : public testing::TestWithParam<device_kind_under_test> {
protected:
    void SetUp() override {
        auto opened = open_devices(GetParam().request);
        // The others are there on every machine.
        if (!opened && GetParam().label == "cuda" && opened.error().code == errc::unavailable)
            GTEST_SKIP() << opened.error().message;
        ASSERT_OK(opened);
        ASSERT_EQ(opened->size(), 1u);
        device_ = std::move(opened->front());
    }

    device& on() { return *device_; }
    // Whether work goes on behind the caller's back.
    bool asynchronous() { return !on().shares_host_memory(); }
    std::uint64_t syncs() { return on().book().syncs(); }
    std::unique_ptr<stream> new_stream(std::string label = "test") {
        return on().make_stream(std::move(label)).value();
    }
    std::unique_ptr<event> new_event() { return on().make_event().value(); }
    device_buffer memory(std::size_t bytes) { return device_buffer::allocate(on().pool(), bytes).value(); }

    result<void> finish(stream& s) {
        const auto done = new_event();
        return synchronise(s, *done, at_);
    }

    const tag at_{stage::detect, {2, 7}};

private:
    std::unique_ptr<device> device_;
};

}  // namespace faceflow::internal::test
