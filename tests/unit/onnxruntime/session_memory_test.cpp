// SPDX-License-Identifier: Apache-2.0
#include "inference/onnxruntime/session_memory.hpp"

#include <gmock/gmock.h>
#include <onnxruntime_cxx_api.h>

#include <thread>

#include "backends/open_devices.hpp"
#include "inference/session.hpp"
#include "support.hpp"

namespace faceflow::internal::inference {
namespace {

using test::mib;

class session_memory_test : public testing::Test {
protected:
    session_memory_test()
        : device_(std::move(open_devices({"emulated", 8 * mib, "none"}).value().front())),
          stream_(device_->make_stream("test").value()),
          memory_(std::make_unique<session_memory>(*stream_)) {}
    std::size_t used() { return device_->pool().used_bytes(); }

    std::unique_ptr<device> device_;
    std::unique_ptr<stream> stream_;
    std::unique_ptr<session_memory> memory_;
};

TEST_F(session_memory_test, uses_again_what_was_given_back_without_asking_the_pool_or_the_host_to_wait) {
    std::byte* const first = memory_->allocate(1000).value();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 256, 0u);
    memory_->give_back(first);
    EXPECT_EQ(memory_->allocate(900).value(), first);
    EXPECT_EQ(used(), memory_->bytes());
    EXPECT_EQ(device_->book().syncs(), 0u);
    EXPECT_NE(memory_->allocate(900).value(), first) << "it is in use";
}

TEST_F(session_memory_test, a_small_request_does_not_take_a_large_block) {
    std::byte* const large = memory_->allocate(2 * mib).value();
    memory_->give_back(large);
    std::byte* const small = memory_->allocate(4096).value();
    EXPECT_NE(small, large);
    EXPECT_EQ(memory_->allocate(2 * mib).value(), large);
}

TEST_F(session_memory_test, gives_kept_blocks_up_when_the_pool_is_full_and_refuses_when_that_does_not_help) {
    memory_->give_back(memory_->allocate(5 * mib).value());
    std::byte* const more = memory_->allocate(7 * mib).value();
    EXPECT_EQ(memory_->bytes(), 7 * mib);
    const auto refused = memory_->allocate(2 * mib);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::out_of_memory);
    EXPECT_EQ(memory_->take_refusal()->message, refused.error().message);
    EXPECT_FALSE(memory_->take_refusal());
    memory_->give_back(more);
    memory_.reset();
    EXPECT_EQ(used(), 0u);
}

TEST_F(session_memory_test, memory_that_work_still_uses_goes_back_to_the_pool_after_that_work) {
    std::byte* const block = memory_->allocate(6 * mib).value();
    std::atomic<bool> done{false};
    stream_->run([&, at = device_->kernel_address(block)]() -> result<void> {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        std::fill_n(at, 6 * mib, std::byte{1});
        done = true;
        return {};
    });
    memory_->give_back(block);
    EXPECT_OK(memory_->allocate(7 * mib));
    EXPECT_TRUE(done);
}

// ONNX Runtime's view: the allocator that its environment hands to sessions on CUDA device 5.
class environment_allocators_test : public session_memory_test {
protected:
    void SetUp() override {
        const auto started = runtime::create({1});  // whose environment it is
        ASSERT_OK(started);
        runtime_ = *started;
        auto served = environment_allocators::get();
        ASSERT_OK(served);
        served_ = std::move(*served);
        ASSERT_OK(served_->serve(5));
        ASSERT_OK(served_->serve(5));
    }
    OrtAllocator* allocator() const {
        Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "test");
        const Ort::MemoryInfo info("Cuda", OrtDeviceAllocator, 5, OrtMemTypeDefault);
        OrtAllocator* found = nullptr;
        Ort::Status(Ort::GetApi().GetSharedAllocator(env, info, &found));
        return found;
    }
    std::shared_ptr<runtime> runtime_;
    std::shared_ptr<environment_allocators> served_;
};

TEST_F(environment_allocators_test, requests_go_to_the_session_of_the_thread_and_come_back_to_it_from_any) {
    OrtAllocator* const a = allocator();
    ASSERT_NE(a, nullptr);
    session_memory other(*stream_);
    void *one = nullptr, *two = nullptr;
    {
        const memory_scope scope(memory_.get());
        one = a->Alloc(a, 5000);
        const memory_scope inner(&other);
        two = a->Reserve(a, 9000);
    }
    EXPECT_EQ(memory_->bytes(), 5120u);
    EXPECT_EQ(other.bytes(), 9216u);
    EXPECT_THROW(a->Alloc(a, 1), std::exception) << "no session runs on this thread";
    std::thread([&] {
        a->Free(a, one);
        a->Free(a, two);
        a->Free(a, nullptr);
    }).join();
    EXPECT_EQ(memory_->allocate(5000).value(), one);
    EXPECT_EQ(other.allocate(9000).value(), two);
}

TEST_F(environment_allocators_test, a_full_pool_is_an_exception_that_onnx_runtime_turns_into_an_error) {
    OrtAllocator* const a = allocator();
    const memory_scope scope(memory_.get());
    EXPECT_THROW(a->Alloc(a, 9 * mib), std::exception);
    EXPECT_EQ(memory_->take_refusal()->code, errc::out_of_memory);
}

TEST_F(environment_allocators_test, are_of_the_process_and_can_be_had_again_after_they_went) {
    EXPECT_EQ(environment_allocators::get().value(), served_);
    served_.reset();
    EXPECT_EQ(allocator(), nullptr);
    served_ = environment_allocators::get().value();
    ASSERT_OK(served_->serve(5));
    EXPECT_NE(allocator(), nullptr);
}

}  // namespace
}  // namespace faceflow::internal::inference
