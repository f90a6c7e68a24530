// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include <weft/core/failure.hpp>
#include <weft/http/body.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/run_on.hpp>

#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cerrno>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t chunk_size = 64 * 1024;

/// The threads that wait for disks, one set for each execution context, made when the first file is
/// read.
class file_threads final : public asio::execution_context::service {
  public:
    using key_type = file_threads;
    static asio::execution_context::id id;

    explicit file_threads(asio::execution_context& context) : service(context) {}
    [[nodiscard]] asio::any_io_executor lane() { return asio::make_strand(pool_.get_executor()); }

  private:
    void shutdown() override {
        pool_.stop();
        pool_.join();
    }
    asio::thread_pool pool_{2};
};
asio::execution_context::id file_threads::id;

/// An open regular file.
class file {
  public:
    explicit file(const std::filesystem::path& path) {
        fd_ = ::open(path.c_str(),
                     O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not make us wait
        if (fd_ < 0) refuse(path, errno);
        struct stat about{};
        if (::fstat(fd_, &about) != 0 || !S_ISREG(about.st_mode)) {
            ::close(fd_);
            throw failure(failure_kind::invalid_input, "not a regular file")
                .in(failure_domain::local)
                .with("path", path.string());
        }
        size = static_cast<std::uint64_t>(about.st_size);
    }
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    ~file() { ::close(fd_); }

    /// Blocks: on a thread of file_threads only.
    [[nodiscard]] weft::bytes read(std::uint64_t at, std::size_t n) const {
        std::string chunk(n, '\0');
        for (;;) {
            const ssize_t got = ::pread(fd_, chunk.data(), n, static_cast<off_t>(at));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0)
                throw failure::from(
                    boost::system::error_code(errno, boost::system::system_category()),
                    "reading a file")
                    .in(failure_domain::local);
            chunk.resize(static_cast<std::size_t>(got));
            return weft::bytes(std::move(chunk));
        }
    }

    std::uint64_t size = 0;

  private:
    [[noreturn]] static void refuse(const std::filesystem::path& path, int error) {
        throw failure::from(boost::system::error_code(error, boost::system::system_category()),
                            "cannot open the file")
            .in(failure_domain::local)
            .with("path", path.string());
    }
    int fd_ = -1;
};

struct file_source final : body::source {
    explicit file_source(std::shared_ptr<const file> f) noexcept : opened(std::move(f)) {}

    awaitable<std::optional<weft::bytes>> next() override {
        const std::uint64_t left = opened->size - at;
        if (left == 0) co_return std::nullopt;
        const auto here = co_await asio::this_coro::executor;
        auto& context = asio::query(here, asio::execution::context);
        const external_work reading(context_info::of(context));
        auto read = [](std::shared_ptr<const file> f, std::uint64_t from,
                       std::size_t n) -> awaitable<weft::bytes> { co_return f->read(from, n); };
        const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_size));
        weft::bytes chunk =
            co_await run_on(asio::use_service<file_threads>(context).lane(), read(opened, at, n));
        if (chunk.empty())
            throw failure(failure_kind::unavailable, "the file became shorter while it was read")
                .in(failure_domain::local)
                .with("size", static_cast<long long>(opened->size));
        at += chunk.size();
        co_return chunk;
    }
    [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override {
        return opened->size - at;
    }
    [[nodiscard]] std::unique_ptr<source> replay() const override {
        return std::make_unique<file_source>(opened);
    }

    std::shared_ptr<const file> opened;
    std::uint64_t at = 0;
};

}  // namespace

body body::file(const std::filesystem::path& path) {
    return body(std::make_unique<file_source>(std::make_shared<const http::file>(path)));
}

}  // namespace weft::http
